"""Processes that decode pictures and prepare what a model takes, ahead of the device that it runs on."""

import logging
import os
import pickle
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Future
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from threading import Thread
from typing import Any

import loky
import numpy as np
import torch

from pipeline_core.activations.opening import decode_samples, read_picture
from pipeline_core.activations.plan import Request
from pipeline_core.activations.refusals import Refusal
from pipeline_core.dataset.images import ImageReader
from pipeline_core.errors import LensError, reason_of
from pipeline_core.models.embedder import Embedder, Preparer, PreparingEmbedder
from pipeline_core.models.preparing import pickle_preparer, unpickle_preparer
from pipeline_core.placement import Placement

log = logging.getLogger(__name__)

_MOST = 8
"""Processes, where their number is not configured: each takes half a gigabyte."""

_IDLE = 60.0
"""Seconds after which a process ends that is asked for nothing."""

_LOOKS = 1.0
"""Seconds between a process's looks whether the one that asks is still there."""

_NONE = "No processes prepare inputs (%s): that is done between passes"


@dataclass(frozen=True)
class Prepared:
    """What a process made of a batch.

    Attributes:
        inputs: what the model's preparer made of the samples; None where no sample is left.
        refusals: samples whose pictures cannot be decoded.
    """

    inputs: Any
    refusals: list[Refusal]


class InputProcesses:
    """Processes of which each has a model's processor, and none the model.

    What they cannot do, for whatever reason, is left to the process that asks: it meets the same fault, and tells it.

    Attributes:
        count: how many there are.
        ended: they do nothing any more.
    """

    def __init__(self, load: Callable[[], Any], count: int) -> None:
        """Start them; they import what they need while the model is loaded.

        Args:
            load: loads the model's processor in each process; it is pickled.
            count: how many processes.

        Raises:
            Exception: whatever pickling raises of a function that cannot be.
            OSError: this machine has no room for semaphores.
        """
        self.count = count
        self._recipe, self._model = (pickle.dumps(load), b""), ""
        self.ended = False
        self._pool = loky.ProcessPoolExecutor(
            count,
            timeout=_IDLE,
            initializer=_begin,
            # Told, not looked up there: it may be gone before a process has begun.
            initargs=(os.getpid(),),
            # Torch would hand tensors on in shared memory, of which containers have little.
            result_reducers={torch.Tensor: _by_array},
            env={"OMP_NUM_THREADS": "1"},
        )
        for _ in range(count):
            self._pool.submit(os.getpid)

    def serve(self, embedder: PreparingEmbedder) -> None:
        """Say whose inputs they prepare.

        Raises:
            Exception: whatever pickling raises of a preparer that cannot be.
        """
        self._recipe, self._model = (self._recipe[0], pickle_preparer(embedder)), embedder.facts.name

    def begin(self, reader: ImageReader, batch: Sequence[Request]) -> "Future[Prepared | None] | None":
        """Read the pictures of a batch and hand it to a process.

        Raises:
            DataError: a picture is gone.
        """
        pictures = [read_picture(reader, request) for request in batch]
        if self.ended:
            return None
        try:
            begun: Future[Prepared | None] = self._pool.submit(_prepare, self._recipe, batch, pictures)
        except RuntimeError as error:  # what a pool that is broken raises
            self._fail(error)
            return None
        return begun

    def end(self, begun: "Future[Prepared | None] | None") -> Prepared | None:
        """Wait for what was begun.

        Returns:
            None where the process that asks must do the batch itself: a sample is refused, or the processes failed.
        """
        if begun is None or self.ended:
            return None
        try:
            return begun.result()
        except Exception as error:  # a library's of any kind, or the end of a process
            self._fail(error)
            return None

    def close(self) -> None:
        """End the processes now; without it they end when they have been asked for nothing for a while."""
        self.ended = True
        self._pool.shutdown(wait=True, kill_workers=True)

    def _fail(self, error: Exception) -> None:
        if not self.ended:
            killed = isinstance(error, BrokenExecutor)
            log.warning(
                "The processes that prepare inputs for %s failed (%s): from here on that is done between passes. "
                "placement.input_processes is how many there are.",
                self._model,
                "one of them was ended, as where memory runs out" if killed else reason_of(error),
            )
            self.close()


def input_processes(placement: Placement) -> int:
    """Return how many processes a placement asks for; by default one less than there are cores for each worker."""
    if placement.input_processes is not None:
        return placement.input_processes
    cores = loky.cpu_count() // placement.workers
    return 0 if placement.device_kind == "cpu" else max(1, min(_MOST, cores - 1))


def load_with_processes(
    load: Callable[[], Embedder], load_processor: Callable[[], Any], placement: Placement
) -> tuple[Embedder, InputProcesses | None]:
    """Load a model, while the processes start that a placement asks for.

    Args:
        load: loads the model.
        load_processor: loads its processor, in each process.
        placement: how many processes.

    Returns:
        The model and the processes; None: none are asked for, can be had, or serve such a model.
    """
    processes = None
    if count := input_processes(placement):
        try:
            processes = InputProcesses(load_processor, count)
        except Exception as error:
            log.warning(_NONE, reason_of(error))
    with ExitStack() as unless_they_serve:
        if processes is not None:
            unless_they_serve.callback(processes.close)
        embedder = load()
        if processes is None or not isinstance(embedder, PreparingEmbedder):
            return embedder, None
        try:
            processes.serve(embedder)
        except Exception as error:  # pickling calls code of families, which is anybody's
            why = reason_of(error)
            log.warning(
                "No processes prepare inputs for %s (%s): that is done between passes", embedder.facts.name, why
            )
            return embedder, None
        unless_they_serve.pop_all()
    return embedder, processes


def _begin(asking: int) -> None:
    """Leave an interruption of the terminal to the process that asks, and end when that does, however it ends.

    What loading a processor imports takes longest, and the model is not there yet.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import_module("transformers.models.auto.processing_auto")
    torch.set_num_threads(1)
    Thread(target=_end_with, args=(asking,), daemon=True).start()


def _end_with(asking: int) -> None:
    while os.getppid() == asking:
        time.sleep(_LOOKS)
    os._exit(1)


@cache
def _preparer(load: bytes, preparer: bytes) -> Preparer:
    return unpickle_preparer(preparer, pickle.loads(load)())  # noqa: S301 - of the process that asks


def _prepare(
    recipe: tuple[bytes, bytes], batch: Sequence[Request], pictures: Sequence[bytes | None]
) -> Prepared | None:
    """Prepare a batch; None where a sample is refused: who asked finds out which, and why."""
    samples, refusals = decode_samples(batch, pictures)
    try:
        return Prepared(_preparer(*recipe)(samples) if samples else None, refusals)
    except LensError:
        return None


def _by_array(tensor: torch.Tensor) -> tuple[Callable[[np.ndarray], torch.Tensor], tuple[np.ndarray]]:
    return torch.from_numpy, (tensor.numpy(),)
