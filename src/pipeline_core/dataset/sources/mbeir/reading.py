"""M-BEIR read as a data set: of each task the queries and candidates that are wanted, each file in one pass.

The benchmark's splits stay: its test split is test, ``val`` is validation. Support is set aside from its train split,
so that no answer of a support query trains anything. Pools are the published ones; a query of the support split is
asked of its own answers and hard negatives, as a pool of the train split is larger than any that is scored.
"""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline_core.dataset.benchmark.staging import Staging, TaskName, Wanted
from pipeline_core.dataset.files import identify, remembered_names
from pipeline_core.dataset.places import Place
from pipeline_core.dataset.sources.mbeir import MBeirSettings, jsonl, shards
from pipeline_core.dataset.sources.mbeir.lines import read_instructions
from pipeline_core.dataset.tasks import PRIMARY_K
from pipeline_core.store.digests import file_digest

_INSTRUCTIONS = "query_instructions.tsv"
_TEN = ("fashion200k", "fashioniq")
"""Data sets that M-BEIR scores at 10; all others at 5."""


class MBeir:
    """Tasks of M-BEIR, to be written as tables."""

    def __init__(self, root: Path, settings: MBeirSettings) -> None:
        """Take the folder and which tasks of it."""
        self._root, self._settings = root, settings

    def write(self, folder: Path) -> None:
        """Write the tables.

        Raises:
            DataError: a file is missing or unreadable, or too many rows are bad.
        """
        own = self._settings.instructions == "own"
        with Staging(folder, self._root, _wanted(self._settings)) as staging:
            tasks = _stage(self._root, self._settings, staging)
            self._settings.refuse_without_support(staging.may_support, f"the data set {self._root}")
            if own:
                file = _instructions(self._root)
                staging.add(read_instructions(file.parent, file.name))
            staging.write(
                {task: TaskName(name, f"M-BEIR {name}", _primary_k(name)) for task, name in tasks.items()},
                self._settings.max_quarantine_share,
                own_instructions=own,
            )


def identity(root: Path, settings: MBeirSettings) -> str:
    """Return a digest of the files that the tasks need, and of the pictures that their rows name.

    Which these are is read once for as long as the files stay as they are.

    Raises:
        DataError: a file is missing or unreadable.
    """
    own = file_digest(_instructions(root)) if settings.instructions == "own" else ""
    if not jsonl.holds(root):
        return identify(root, shards.files_of(root, shards.find(root, settings), settings), ()) + own
    files = jsonl.names_of(jsonl.find(root, settings))
    key = hashlib.sha256(f"{root} {identify(root, files, ())} {settings.model_dump_json()}".encode()).hexdigest()
    return identify(root, files, remembered_names(key, lambda: _named(root, settings))) + own


def read(root: Path, settings: MBeirSettings) -> MBeir:
    """Return the tasks of a folder; nothing is read before they are written."""
    return MBeir(root, settings)


def _named(root: Path, settings: MBeirSettings) -> Iterator[str]:
    """Go through the picture files of what is chosen."""
    with tempfile.TemporaryDirectory() as folder, Staging(Path(folder), root, _wanted(settings)) as staging:
        _stage(root, settings, staging)
        staging.choose()
        for reference in staging.pictures():
            yield Place.parse(reference, root).file.relative_to(root).as_posix()


def _stage(root: Path, settings: MBeirSettings, staging: Staging) -> Mapping[str, str]:
    """Add all rows, and return what each task is called."""
    if jsonl.holds(root):
        return jsonl.stage(root, jsonl.find(root, settings), staging)
    return shards.stage(root, shards.find(root, settings), settings, staging)


def _wanted(settings: MBeirSettings) -> Wanted:
    key = f"{settings.name}/{settings.draw}" if settings.draw else settings.name
    return Wanted(settings.most_support, settings.queries, settings.distractors, key, settings.mixed, settings.asks_all)


def _instructions(root: Path) -> Path:
    """Return the folder's own file of instructions, or the package's."""
    places = (root / "instructions" / _INSTRUCTIONS, root / _INSTRUCTIONS)
    return next((file for file in places if file.is_file()), Path(__file__).with_name(_INSTRUCTIONS))


def _primary_k(name: str) -> int:
    return 10 if name.startswith(_TEN) else PRIMARY_K
