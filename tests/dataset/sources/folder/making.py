"""Folders that are data sets, made in tests."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest
from PIL import Image

from pipeline_core.dataset.build import build_dataset
from pipeline_core.dataset.sources.folder import FolderSettings
from pipeline_core.errors import DataError

HEADER = "query-id\tcorpus-id\tscore"


def draw(root: Path, name: str, number: int) -> str:
    """Draw a picture that no other number gives, and return its name."""
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), (number % 256, number // 256, 7)).save(file, "PNG")
    return name


def write_captions(root: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write ``metadata.csv``."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def write_lines(file: Path, rows: Iterable[Mapping[str, object] | str]) -> None:
    """Write JSON lines; texts as they are."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows), encoding="utf-8")


def write_qrels(root: Path, split: str, rows: Iterable[str], header: str = HEADER) -> None:
    """Write ``qrels/<split>.tsv`` of rows with blanks for tabs."""
    (root / "qrels").mkdir(parents=True, exist_ok=True)
    lines = [header, *("\t".join(row.split(" ")) for row in rows)]
    (root / "qrels" / f"{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def refusal(root: Path, folder: Path, **changes: object) -> str:
    """Return the one line that a folder is refused in: what is wrong, and its remedy."""
    with pytest.raises(DataError) as error:
        build_dataset(FolderSettings.model_validate({"path": root, **changes}), folder)
    assert error.value.remedy
    assert "\n" not in str(error.value)
    assert not list(folder.glob("*.parquet"))
    return str(error.value)
