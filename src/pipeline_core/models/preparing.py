"""What prepares a model's samples, on its way to other processes: the processor stays, and each loads its own."""

import pickle
from io import BytesIO
from typing import Any

from pipeline_core.models.embedder import Preparer, PreparingEmbedder

_PROCESSOR = "processor"


def pickle_preparer(embedder: PreparingEmbedder) -> bytes:
    """Pickle an embedder's preparer and leave out the processor: classes that are made as it is loaded cannot be.

    Raises:
        Exception: whatever pickling raises of what else the preparer refers to.
    """
    file = BytesIO()
    _Pickler(file, embedder.processor).dump(embedder.preparer)
    return file.getvalue()


def unpickle_preparer(pickled: bytes, processor: Any) -> Preparer:
    """Return a preparer with the processor that was loaded for it."""
    preparer: Preparer = _Unpickler(BytesIO(pickled), processor).load()
    return preparer


class _Pickler(pickle.Pickler):
    def __init__(self, file: BytesIO, processor: Any) -> None:
        super().__init__(file)
        self._processor = processor

    def persistent_id(self, given: Any) -> str | None:
        return _PROCESSOR if given is self._processor else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: BytesIO, processor: Any) -> None:
        super().__init__(file)
        self._processor = processor

    def persistent_load(self, name: str) -> Any:
        assert name == _PROCESSOR, "nothing else is left out"
        return self._processor
