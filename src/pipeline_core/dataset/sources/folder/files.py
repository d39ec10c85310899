"""The files of a folder that is a data set: which there are."""

from dataclasses import dataclass
from pathlib import Path

from pipeline_core.dataset.splits import SPLITS
from pipeline_core.errors import DataError

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
QUERIES, CORPUS, QRELS = "queries.jsonl", "corpus.jsonl", "qrels"


@dataclass(frozen=True)
class Layout:
    """What a folder holds beside pictures.

    Attributes:
        root: the folder.
        metadata: captions of pictures.
        queries: the user's own queries.
        corpus: what they are asked of; without it, the pictures of ``metadata``.
        qrels: judgements, one file a split.
    """

    root: Path
    metadata: Path | None
    queries: Path | None
    corpus: Path | None
    qrels: tuple[Path, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """All of them, by their paths below the folder."""
        files = (self.metadata, self.queries, self.corpus, *self.qrels)
        return tuple(file.relative_to(self.root).as_posix() for file in files if file)


def find_files(root: Path) -> Layout:
    """Return what a folder holds.

    Raises:
        DataError: too little of it, or two files that say the same.
    """
    metadata = [root / name for name in METADATA if (root / name).is_file()]
    queries, corpus = (root / name if (root / name).is_file() else None for name in (QUERIES, CORPUS))
    qrels = tuple(sorted(file for file in (root / QRELS).glob("*.tsv") if file.is_file()))
    exactly_one = f"put exactly one of {', '.join(METADATA)} there"
    if len(metadata) > 1:
        raise DataError(f"the folder {root} has {' and '.join(path.name for path in metadata)}", exactly_one)
    if bool(queries) != bool(qrels) or (corpus and not queries):
        there = [name for name, found in ((QUERIES, queries), (CORPUS, corpus), (f"{QRELS}/*.tsv", qrels)) if found]
        absent = f"{QRELS}/<split>.tsv" if queries else QUERIES
        raise DataError(
            f"the folder {root} has {' and '.join(there)} and no {absent}", "put it there, or take the others out"
        )
    if not (metadata or queries):
        or_queries = f"or {QUERIES}, {CORPUS} and {QRELS}/<split>.tsv"
        raise DataError(f"the folder {root} has no metadata file", f"{exactly_one}; {or_queries}")
    if not (metadata or corpus):
        raise DataError(
            f"the folder {root} has {QUERIES} and nothing to find",
            f"put {CORPUS} there, or pictures with {METADATA[0]}",
        )
    for file in qrels:
        if file.stem not in SPLITS:
            raise DataError(f"{file} is of no split", f"call it {', '.join(f'{split}.tsv' for split in SPLITS)}")
    return Layout(root, metadata[0] if metadata else None, queries, corpus, qrels)
