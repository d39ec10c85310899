"""What an export is: it writes part of a run as another tool reads it."""

from abc import ABC, abstractmethod
from pathlib import Path

from pipeline_core.library import Run


class Export(ABC):
    """One format; ``about`` says in a few words what is written, for which tool."""

    name: str
    about: str

    @abstractmethod
    def write(self, run: Run, path: Path, model: str | None = None, sae_id: str | None = None) -> str:
        """Write part of a run; return in one line how the other tool takes it.

        Args:
            run: a completed run.
            path: file or folder to write, which is not there yet.
            model: one of ``run.models``, the one studied otherwise.
            sae_id: one of ``run.saes``, the first otherwise.

        Raises:
            StoreError: the run had no such model or autoencoder.
        """
