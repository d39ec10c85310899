"""Many items held in half the digits: their products with a question are soon there, each with how far it may be off.

bfloat16 keeps 8 of a float32's 24 digits, and processors multiply it several times as fast: less is read, and several
questions cost what one does. Every product comes with a bound of its error, so that the items which may be among the
best are known for sure; those few are multiplied exactly, and what is found is what all digits find.
"""

from collections.abc import Sequence

import numpy as np
import torch

from pipeline_core.activations.vectors import Matrix
from pipeline_core.app.together import Together
from pipeline_core.retrieval.spectrum import BLOCK

_LEAST = 4096
"""Items below which all digits are as fast."""

_ROUNDED = 2.0**-8
"""Twice what rounding a product to bfloat16 takes or adds, relative to it."""


class Coarse:
    """Items in bfloat16, in the order of their vectors."""

    def __init__(self, vectors: Matrix) -> None:
        """Round vectors [n, d], and measure what each loses."""
        self._held = torch.empty(vectors.shape, dtype=torch.bfloat16)
        self._lost, self._kept = np.empty(len(vectors), np.float32), np.empty(len(vectors), np.float32)
        for start in range(0, len(vectors), BLOCK):
            some = slice(start, start + BLOCK)
            own = torch.from_numpy(np.ascontiguousarray(vectors[some]))
            self._held[some] = own
            rounded = self._held[some].float()
            self._lost[some], self._kept[some] = (own - rounded).norm(dim=1), rounded.norm(dim=1)
        self._passes = Together[Matrix, Matrix]()

    @staticmethod
    def helps(n: int) -> bool:
        """Say whether this processor multiplies bfloat16 itself, and n items are enough to gain by it."""
        return n >= _LEAST and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())

    def products(self, questions: Matrix) -> tuple[Matrix, Matrix]:
        """Return the products [q, n] of the items with questions [q, d], and what each is off by at most.

        Who asks meanwhile shares the next pass over the items.
        """
        found = self._passes.ask(questions, self._pass)
        width, sizes = questions.shape[1], np.linalg.norm(questions, axis=1)[:, None]
        # What the second part of a question leaves out, and what sums in float32 lose.
        summed = max(2.0**-14, width * 2.0**-23)
        off = sizes * (self._lost + summed * self._kept) + _ROUNDED * np.abs(found)
        return found, np.asarray(off, dtype=np.float32)

    def _pass(self, asked: Sequence[Matrix]) -> list[Matrix]:
        """Return the products of each block of questions: a question in two parts keeps 16 digits."""
        every = torch.from_numpy(np.concatenate(asked).astype(np.float32, copy=False))
        with torch.inference_mode():
            first = every.bfloat16()
            parts = torch.cat([first, (every - first.float()).bfloat16()])
            made = (self._held @ parts.T).float()
            found = (made[:, : len(every)] + made[:, len(every) :]).T.contiguous().numpy()
        return np.split(found, np.cumsum([len(block) for block in asked])[:-1])
