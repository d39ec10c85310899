"""Generated data of each source, any number of rows; pictures are tiny, and few where rows share files."""

import csv
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.dataset.sources.mbeir.making_shards import IMAGE, picture, write_task

SHARD, GROUP = 100_000, 256
"""Rows of a file, and of a group of rows that are read as one."""

FILES = 256
"""Picture files that rows share where a row is a line of text."""


def mbeir(root: Path, rows: int) -> Mapping[str, object]:
    """Write a task of M-BEIR in Parquet, text to picture and text, a hundredth as many queries as candidates."""
    write_task(root, "mbeir_edis_task2", 3, "text", "image_text", {"test": rows // 100}, rows)
    return {"name": "mbeir", "tasks": ["edis"]}


def uniir(root: Path, rows: int) -> Mapping[str, object]:
    """Write a task of M-BEIR in the files of UniIR, as ``mbeir``."""
    shown, asked = _files(root), rows // 100
    empty = {"query_img_path": None, "query_src_content": None, "task_id": 2, "neg_cand_list": []}
    queries = (
        empty | {"qid": f"3:{n}", "query_modality": "text", "query_txt": f"query {n}", "pos_cand_list": [f"3:{n}"]}
        for n in range(asked)
    )
    pool = (
        {"did": f"3:{n}", "modality": "image,text", "txt": f"candidate {n}", "img_path": shown[n % FILES]}
        for n in range(rows)
    )
    _lines(root / "query/test/mbeir_edis_task2_test.jsonl", queries)
    _lines(root / "cand_pool/local/mbeir_edis_task2_cand_pool.jsonl", pool)
    _write(root / "qrels/test/mbeir_edis_task2_test_qrels.txt", (f"3:{n} 0 3:{n} 1 2\n" for n in range(asked)))
    return {"name": "mbeir", "tasks": ["edis_task2"]}


def beir(root: Path, rows: int) -> Mapping[str, object]:
    """Write a folder of queries, corpus and judgements, as ``mbeir``."""
    shown, asked = _files(root), rows // 100
    _lines(root / "queries.jsonl", ({"_id": f"q{n}", "text": f"query {n}"} for n in range(asked)))
    _lines(
        root / "corpus.jsonl",
        ({"_id": f"d{n}", "text": f"document {n}", "image": shown[n % FILES]} for n in range(rows)),
    )
    header = "query-id\tcorpus-id\tscore\n"
    _write(root / "qrels/test.tsv", (header, *(f"q{n}\td{n}\t1\n" for n in range(asked))))
    return {"name": "folder"}


def captions(root: Path, rows: int) -> Mapping[str, object]:
    """Write a folder with a table of captions, ten of them each picture's."""
    shown = _files(root, rows // 10)
    with (root / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file_name", "text"), *((shown[n // 10], f"text {n}") for n in range(rows))])
    return {"name": "folder"}


def coco(root: Path, rows: int) -> Mapping[str, object]:
    """Write shards of COCO-Caption, a caption a picture."""

    def columns(some: Sequence[int]) -> Mapping[str, pa.Array]:
        answers = pa.array([[f"text {n}\n"] for n in some], pa.list_(pa.string()))
        return {"image": _pictures(some), "answer": answers, "file_name": pa.array([f"{n}.jpg" for n in some])}

    _parquet(root, "val", rows, columns)
    return {"name": "coco_caption"}


def huggingface(root: Path, rows: int) -> Mapping[str, object]:
    """Write a Hugging Face data set in Parquet."""
    _parquet(root, "test", rows, _described)
    return {"name": "huggingface"}


def arrow(root: Path, rows: int) -> Mapping[str, object]:
    """Write what ``save_to_disk`` writes of a Hugging Face data set."""
    folder = root / "test"
    folder.mkdir(parents=True)
    names = []
    for number, some in enumerate(_shards(rows)):
        names.append(f"data-{number:05d}.arrow")
        table = pa.table(_described(some))
        with pa.ipc.new_stream(str(folder / names[-1]), table.schema) as out:
            out.write_table(table, max_chunksize=1000)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))
    return {"name": "huggingface"}


def webdataset(root: Path, rows: int) -> Mapping[str, object]:
    """Write tars of WebDataset."""
    root.mkdir(parents=True)
    for number, some in enumerate(_shards(rows)):
        with tarfile.open(root / f"test-{number:06d}.tar", "w") as tar:
            for n in some:
                for name, content in ((f"{n:09d}.png", picture(n)), (f"{n:09d}.txt", f"text {n}".encode())):
                    member = tarfile.TarInfo(name)
                    member.size = len(content)
                    tar.addfile(member, BytesIO(content))
    return {"name": "webdataset"}


def class_folders(root: Path, rows: int) -> Mapping[str, object]:
    """Write folders of a hundred pictures each."""
    for n in range(rows):
        folder = root / "test" / f"class_{n // 100}"
        if not n % 100:
            folder.mkdir(parents=True)
        (folder / f"{n}.png").write_bytes(picture(n))
    return {"name": "class_folders"}


LAYOUTS: Mapping[str, Callable[[Path, int], Mapping[str, object]]] = {
    "mbeir": mbeir,
    "uniir": uniir,
    "beir": beir,
    "captions": captions,
    "coco": coco,
    "huggingface": huggingface,
    "arrow": arrow,
    "webdataset": webdataset,
    "class_folders": class_folders,
}
"""By name: writes that many rows below a folder, and returns what is set to read them beside the path."""


def _shards(rows: int) -> Iterator[range]:
    return (range(start, min(rows, start + SHARD)) for start in range(0, rows, SHARD))


def _described(some: Sequence[int]) -> Mapping[str, pa.Array]:
    return {"image": _pictures(some), "text": pa.array([f"text {n}" for n in some])}


def _pictures(some: Sequence[int]) -> pa.Array:
    return pa.array([{"bytes": picture(n), "path": None} for n in some], IMAGE)


def _parquet(root: Path, split: str, rows: int, columns: Callable[[Sequence[int]], Mapping[str, Any]]) -> None:
    root.mkdir(parents=True)
    for number, some in enumerate(_shards(rows)):
        pq.write_table(pa.table(columns(some)), root / f"{split}-{number:05d}.parquet", row_group_size=GROUP)


def _files(root: Path, count: int = FILES) -> list[str]:
    names = [f"pictures/{n}.png" for n in range(count)]
    (root / "pictures").mkdir(parents=True)
    for n, name in enumerate(names):
        (root / name).write_bytes(picture(n))
    return names


def _lines(file: Path, rows: Iterator[Mapping[str, object]]) -> None:
    _write(file, (f"{json.dumps(row)}\n" for row in rows))


def _write(file: Path, lines: Iterator[str] | Sequence[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8") as out:
        out.writelines(lines)
