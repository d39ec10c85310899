"""M-BEIR in Parquet, as on the hub: configs query, corpus and qrels, pictures as bytes, shards, null texts."""

import io
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pipeline_core.dataset.tasks import SHORT, Modality

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
ITEM = pa.schema([("id", pa.string()), ("modality", pa.string()), ("text", pa.string()), ("image", IMAGE)])
_SHARED = 65_536
"""Different pictures of candidates: millions of rows share them."""

SPELT = {"image": "image", "text": "text", "image_text": "image,text"}


PUBLISHED: tuple[tuple[str, int, Modality, Modality, int, int, int], ...] = (
    ("visualnes_task0", 0, "text", "image", 19_995, 542_246, 20_000),
    ("mscoco_task0", 9, "text", "image", 24_809, 5_000, 24_989),
    ("fashion200k_task0", 1, "text", "image", 1_719, 201_824, 4_847),
    ("webqa_task1", 2, "text", "text", 2_455, 544_457, 5_002),
    ("edis_task2", 3, "text", "image_text", 3_241, 1_047_067, 8_341),
    ("webqa_task2", 2, "text", "image_text", 2_511, 403_196, 3_627),
    ("visualnes_task3", 0, "image", "text", 20_000, 537_568, 20_000),
    ("mscoco_task3", 9, "image", "text", 5_000, 24_809, 24_989),
    ("fashion200k_task3", 1, "image", "text", 4_889, 61_707, 4_889),
    ("nights_task4", 4, "image", "image", 2_120, 40_038, 2_120),
    ("oven_task6", 5, "image_text", "text", 50_004, 676_667, 492_654),
    ("infoseek_task6", 6, "image_text", "text", 11_323, 611_651, 73_869),
    ("fashioniq_task7", 7, "image_text", "image", 6_003, 74_381, 6_014),
    ("cirr_task7", 8, "image_text", "image", 4_170, 21_551, 4_216),
    ("oven_task8", 5, "image_text", "image_text", 14_741, 335_135, 261_258),
    ("infoseek_task8", 6, "image_text", "image_text", 17_593, 481_782, 131_376),
)
"""Folder, number of the data set, what asks, what is found; how many ask, are found, and are right, as published."""


def scaled(count: int, scale: int) -> int:
    """Return a count at a fraction of the size, and at least a few."""
    return max(3, count // scale)


def write_benchmark(root: Path, scale: int) -> dict[str, tuple[int, int, int]]:
    """Write all tasks at one part in ``scale`` of their size, and return queries, candidates, judgements by task."""
    written = {}
    for name, number, asks, finds, *sizes in PUBLISHED:
        queries, candidates, judgements = (scaled(size, scale) for size in sizes)
        counts = (queries, candidates, max(queries, judgements))
        write_task(root, f"mbeir_{name}", number, asks, finds, {"test": queries}, candidates, counts[2])
        data_set = name.partition("_")[0].replace("visualnes", "visualnews")
        written[f"{data_set}_{SHORT[asks]}2{SHORT[finds]}"] = counts
    return written


@cache
def picture(number: int) -> bytes:
    """The bytes of a picture of one colour."""
    data = io.BytesIO()
    Image.new("RGB", (2, 2), (number % 256, number // 256 % 256, 7 + number // _SHARED)).save(data, "PNG")
    return data.getvalue()


def item(name: str, modality: Modality, number: int, words: str) -> dict[str, Any]:
    """A row of queries or candidates."""
    image = {"bytes": picture(number), "path": f"{number}.png"} if "image" in modality else None
    text = words if "text" in modality else None
    return {"id": name, "modality": SPELT[modality], "text": text, "image": image}


def write_collection(
    folder: Path,
    queries: Mapping[str, Iterator[Mapping[str, Any]]],
    corpus: Iterator[Mapping[str, Any]],
    qrels: Mapping[str, Iterator[tuple[str, str, int]]],
    *,
    iterations: bool = False,
    shard: int = 10,
    group: int = 4,
) -> Path:
    """Write one task's folder, a shard at a time; ``iterations`` adds the column Q0 to its judgements."""
    for split, rows in queries.items():
        _write(folder / "query" / f"{split}-00000-of-00001.parquet", ITEM, list(rows), group)
    shards = list(_chunks(corpus, shard))
    for number, rows in enumerate(shards):
        _write(folder / "corpus" / f"corpus-{number:05d}-of-{len(shards):05d}.parquet", ITEM, rows, group)
    columns = {"query-id": pa.string()} | ({"Q0": pa.string()} if iterations else {})
    schema = pa.schema([*columns.items(), ("corpus-id", pa.string()), ("score", pa.int64())])
    for split, rows in qrels.items():
        judged = [dict(zip(("query-id", "corpus-id", "score"), row, strict=True)) | {"Q0": "Q0"} for row in rows]
        _write(folder / "qrels" / f"{split}-00000-of-00001.parquet", schema, judged, 8192)
    return folder


def write_task(
    root: Path,
    name: str,
    number: int,
    asks: Modality,
    finds: Modality,
    counts: Mapping[str, int],
    n_candidates: int,
    n_judgements: int | None = None,
) -> Path:
    """Write a task whose queries are each answered by one candidate, or as many more as make up the judgements.

    Args:
        root: folder of all tasks.
        name: folder of this one.
        number: of its data set.
        asks: modality of queries.
        finds: modality of candidates.
        counts: queries of each split.
        n_candidates: in the corpus; the n-th query is answered by the n-th of them, and by every so many on from it.
        n_judgements: of each split; None is one a query.
    """
    sides = f"{SHORT[asks]}2{SHORT[finds]}"
    starts = dict(zip(counts, (sum(list(counts.values())[:i]) for i in range(len(counts))), strict=True))

    def asked(split: str) -> Iterator[Mapping[str, Any]]:
        for n in range(starts[split], starts[split] + counts[split]):
            yield item(f"{number}:{sides}{n}", asks, _SHARED + n % 5_000, f"query {n} of {name}")

    def found() -> Iterator[Mapping[str, Any]]:
        for n in range(n_candidates):
            yield item(f"{number}:{1_000_000 + n}{sides}", finds, n % _SHARED, f"candidate {n} of {name}")

    def judged(split: str) -> Iterator[tuple[str, str, int]]:
        for row in range(n_judgements or counts[split]):
            n, more = starts[split] + row % counts[split], row // counts[split] * counts[split]
            yield f"{number}:{sides}{n}", f"{number}:{1_000_000 + (n + more) % n_candidates}{sides}", 1

    return write_collection(
        root / name,
        {split: asked(split) for split in counts},
        found(),
        {split: judged(split) for split in counts},
        iterations=number % 2 == 0,
        shard=max(10, n_candidates // 4),
        group=256 if n_candidates > 1_000 else 4,
    )


def _chunks(rows: Iterator[Mapping[str, Any]], size: int) -> Iterator[Sequence[Mapping[str, Any]]]:
    chunk: list[Mapping[str, Any]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _write(file: Path, schema: pa.Schema, rows: Sequence[Mapping[str, Any]], group: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), file, row_group_size=group)
