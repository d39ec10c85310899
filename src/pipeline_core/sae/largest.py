"""The largest scores of each row on a CPU: a product, and a compiled loop that reads what it gives once."""

from dataclasses import dataclass
from threading import local

import numpy as np
import torch
from torch import Tensor

from pipeline_core.sae.loops import largest_of_rows, largest_screened
from pipeline_core.sae.screening import error, rounded, screens
from pipeline_core.threads import Workers, workers

_SCORES, _ROWS = 20 << 20, 1024
"""Scores that are held at a time, and the fewest rows of a product: below, reading the encoder again costs more."""

_WIDE, _OPEN = 32, 1 / 8
"""Features for each one kept from which on scores are screened, and the share of them that may be made once more."""


_kept = local()
"""What a thread's last scores were held in, and its next will be: the system would clear new memory at every step."""


def largest(inputs: Tensor, encoder: Tensor, bias: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k largest scores W x + b of each row, descending, and whose they are [n, k]; of equals the first.

    Where the processor's tiles make products of rounded numbers cheap, those tell which scores can be among the largest
    (``screening``), and only they are made in float32; where too many can, as among rows of very different lengths, all
    are.
    """
    n, width = len(inputs), len(encoder)
    values, ids = inputs.new_full((n, k), torch.nan), torch.zeros((n, k), dtype=torch.int64)
    screened = screens() and inputs.dtype == torch.float32 and width >= _WIDE * k
    with workers() as threads:
        task = _Task(inputs, encoder, bias.contiguous(), k, threads)
        way: _All | _Screened = _Screened(task) if screened else _All(task)
        start = 0
        while start < n:
            some = slice(start, min(start + way.step, n))
            again = way.find(some, values[some], ids[some])
            if again > _OPEN * width * len(values[some]):
                way = _All(task)
            start = some.stop
    return values, ids


@dataclass(frozen=True)
class _Task:
    inputs: Tensor
    encoder: Tensor
    bias: Tensor
    k: int
    threads: Workers

    @property
    def groups(self) -> int:
        # Four times as many as are kept, a whole number of the compiler's at a time.
        return min(-(-4 * self.k // 64) * 64, len(self.encoder))

    def rows(self, scores: int, fewest: int) -> int:
        """Return how many rows have about as many scores: alike for all blocks, the last of which may be smaller."""
        n = max(1, len(self.inputs))
        blocks = max(1, min(round(n * len(self.encoder) / scores), n // fewest))
        return -(-n // blocks)

    def split(self, *wholes: Tensor) -> list[tuple[Tensor, ...]]:
        """Return what each thread takes of tensors with as many rows each."""
        return [whole.tensor_split(self.threads.count) for whole in wholes]


class _All:
    """All scores are made: by each worker those of its rows, where they are many; else by torch's threads."""

    def __init__(self, task: _Task) -> None:
        self._task, fewest = task, task.threads.count * _ROWS
        self._apart = len(task.inputs) >= fewest and fewest * len(task.encoder) <= _SCORES
        self.step = task.rows(_SCORES, fewest if self._apart else _ROWS)

    def find(self, some: slice, values: Tensor, ids: Tensor) -> int:
        """Find those of some rows; return how many scores were made once more: none."""
        task, inputs = self._task, self._task.inputs[some]
        if self._apart:
            task.threads.map(self._find_own, *task.split(inputs, values, ids))
        else:
            # Each worker would lay out the whole encoder for a product of few rows.
            with task.threads.instead():
                scores = self._scores(inputs)
            task.threads.map(self._find, *task.split(scores, values, ids))
        return 0

    def _scores(self, inputs: Tensor) -> Tensor:
        encoder = self._task.encoder
        scores = _space(len(inputs), len(encoder), inputs.dtype)
        return torch.mm(inputs, encoder.T, out=scores)

    def _find_own(self, inputs: Tensor, *found: Tensor) -> None:
        self._find(self._scores(inputs), *found)

    def _find(self, *parts: Tensor) -> None:
        largest_of_rows(self._task.bias.numpy(), *(part.numpy() for part in parts))


class _Screened:
    """Those are made that can be among the largest. Rows are rounded less their mean, which has its scores apart."""

    def __init__(self, task: _Task) -> None:
        self._task, self.step = task, task.rows(_SCORES, _ROWS)
        self._space = _space(self.step, len(task.encoder), torch.bfloat16)
        mean = task.inputs.mean(dim=0)
        # Any centre will do; a row that is no number must not make others so.
        mean = mean if bool(mean.isfinite().all()) else torch.zeros_like(mean)
        centre = mean.numpy()
        # By workers: the thread that asks may be the only one that torch has.
        parts = task.threads.map(lambda bias, rows: torch.addmv(bias, rows, mean), *task.split(task.bias, task.encoder))
        self._offset = torch.cat(parts)
        self._encoder, self._inputs = task.encoder.contiguous().numpy(), task.inputs.contiguous()
        nothing, split = np.zeros(len(centre), dtype=np.float32), (task.threads.map, task.threads.count)
        self._features = rounded(self._encoder, nothing, *split)
        self._rows = rounded(self._inputs.numpy(), centre, *split)
        self._near = torch.from_numpy(error(self._rows, self._features, centre).astype(np.float32))

    def find(self, some: slice, values: Tensor, ids: Tensor) -> int:
        """Find those of some rows; return how many scores were made once more, in float32."""
        rows = self._rows.vectors[some], self._inputs[some], self._near[some]
        parts = self._task.split(self._space[: len(values)], *rows, values, ids)
        return sum(self._task.threads.map(self._find, *parts))

    def _find(self, screen: Tensor, rough: Tensor, *exact: Tensor) -> int:
        task = self._task
        torch.mm(rough, self._features.vectors.T, out=screen)
        features = self._encoder, task.bias.numpy(), self._offset.numpy()
        bits = screen.view(torch.int16).numpy()
        return largest_screened(*features, task.groups, bits, *(tensor.numpy() for tensor in exact))


def _space(rows: int, width: int, dtype: torch.dtype) -> Tensor:
    """Return room for scores [rows, width], in the place of the last."""
    size = rows * width * dtype.itemsize
    if not hasattr(_kept, "space") or len(_kept.space) < size:
        # A tensor of inference could not be written to afterwards.
        with torch.inference_mode(False):
            _kept.space = torch.empty(size, dtype=torch.uint8)
    space: Tensor = _kept.space[:size].view(dtype).view(rows, width)
    return space
