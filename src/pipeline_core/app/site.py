"""What all pages share while the server runs: the store, runs, pictures, and models that are loaded once and kept."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline_core.app.ablation import Ablated, Ranking
from pipeline_core.app.answers import Answer, Warehouse
from pipeline_core.app.pictures import Shelf, Thumbnails
from pipeline_core.app.recent import Recent
from pipeline_core.app.space import Space, open_space
from pipeline_core.app.together import Room
from pipeline_core.library import Run, open_store

if TYPE_CHECKING:
    from pipeline_core.app.contributions import Explainer
    from pipeline_core.app.questions import Questions

Kept = TypeVar("Kept")

_ANSWERS, _COLUMNS, _REPLIES = 1024, 256, 32

_WORKING = 32
"""Visits that may compute or wait for it at once. The server has 40 threads: some are left for tables."""


@dataclass(frozen=True)
class Shown(Run):
    """A run whose artifacts are checked whole when they are first asked for, and then only for being there."""

    _folders: dict[str, Path] = field(default_factory=dict, compare=False)

    def artifact(self, step: str) -> Path:
        """Return the folder of what a step made.

        Raises:
            StoreError: the run had no such step, or its artifact is missing or damaged.
        """
        found = self._folders.get(step)
        if found is None or not found.is_dir():
            found = self._folders[step] = super().artifact(step)
        return found


class Site:
    """What a server holds of one store.

    Attributes:
        root: folder of the store.
        warehouse: answers of the current warehouse.
        answers: what it answered lately, by the question, the run and the warehouse's version.
        columns: what searches found lately, by what was asked.
        replies: drawings that were made lately.
        thumbnails: pictures of the data sets.
        shelf: pictures that visitors searched with.
        room: for visits that compute.
    """

    def __init__(self, root: Path) -> None:
        """Take the folder; nothing is read yet.

        Raises:
            StoreError: it is not there.
        """
        self._store = open_store(root)
        self.root = self._store.root
        self.warehouse = Warehouse(self.root)
        self.answers = Recent[tuple[Hashable, ...], Answer](_ANSWERS)
        self.columns = Recent[tuple[Hashable, ...], Any](_COLUMNS)
        self.replies = Recent[tuple[Hashable, ...], Any](_REPLIES)
        self.thumbnails = Thumbnails(self.root)
        self.shelf = Shelf()
        self.room = Room(_WORKING)
        self._kept: dict[tuple[str, ...], Any] = {}
        self._locks: dict[tuple[str, ...], Lock] = {}
        self._guard = Lock()

    def run(self, run_id: str) -> Run:
        """Return a run of the journal.

        Raises:
            StoreError: there is none of that name.
        """
        return self.once("run", run_id, make=lambda: Shown(self._store, self._store.run(run_id).record))

    def questions(self, run: Run, model: str) -> "Questions":
        """Return a loaded model that embeds questions.

        Raises:
            LensError: as ``Run.searcher``.
        """
        from pipeline_core.app.questions import Questions  # noqa: PLC0415 - torch

        return self.once("questions", _index(run, model), make=lambda: Questions(run.searcher(model)))

    def space(self, run: Run, model: str) -> Space:
        """Return the items of a model, held in memory.

        Raises:
            StoreError: an artifact is missing or damaged.
        """
        return self.once("space", _index(run, model), make=lambda: open_space(run, model))

    def ranking(self, run: Run, sae_id: str) -> Ranking:
        """Return the directions of an autoencoder's features in the order of their attribution.

        Raises:
            StoreError: the run had none of that name.
        """
        return self.once("ranking", run.artifact(f"features/{sae_id}").name, make=lambda: Ranking(run, sae_id))

    def ablated(self, run: Run, sae_id: str) -> Ablated:
        """Return the items of an autoencoder's model, whose features may be taken out.

        Raises:
            StoreError: the run had none of that name, or an artifact is missing or damaged.
        """
        name = "ablated", run.artifact(f"features/{sae_id}").name
        space, ranking = self.space(run, sae_id.rpartition("/")[0]), self.ranking(run, sae_id)
        return self.once(*name, make=lambda: Ablated(space, ranking))

    def explainer(self, run: Run, sae_id: str) -> "Explainer":
        """Return what splits scores into the parts of an autoencoder's features.

        Raises:
            StoreError: the run had none of that name.
            ModelError: its files cannot be read.
        """
        from pipeline_core.app.contributions import Explainer  # noqa: PLC0415 - torch

        artifact = run.artifact(f"sae/{sae_id}").name
        return self.once("explainer", artifact, make=lambda: Explainer(run.sae(sae_id), sae_id))

    def once(self, *name: str, make: Callable[[], Kept]) -> Kept:
        """Return what was made under a name for whoever asked first: it is the same as long as the artifacts are there.

        Others who want it meanwhile wait, and those who want something else do not.
        """
        with self._guard:
            lock = self._locks.setdefault(name, Lock())
        with lock:
            if name not in self._kept:
                self._kept[name] = make()
            found: Kept = self._kept[name]
            return found


def _index(run: Run, model: str) -> str:
    """Return what tells apart the items of models and runs."""
    return run.artifact(f"index/{model}").name
