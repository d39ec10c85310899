"""What the pages on data sets say is so: their examples are read, their errors come, their source works."""

import csv
import importlib.util
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline_core.contracts.validation import validate_artifact
from pipeline_core.dataset.build import build_dataset
from pipeline_core.dataset.sources.folder import FolderSettings
from pipeline_core.errors import DataError
from pipeline_core.schema import tables_of
from pipeline_core.schema.parquet import read_table
from tests.dataset.conftest import Built
from tests.dataset.sources.folder.making import HEADER, draw, write_lines, write_qrels

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "data_sets.md").read_text(encoding="utf-8")
CAPTIONS, QUERIES = "Pictures with captions", "Queries with judgements"


def section(title: str) -> str:
    (found,) = re.findall(rf"^### {title}\n(.*?)(?=^##|\Z)", PAGE, re.DOTALL | re.MULTILINE)
    return str(found)


def write_example(title: str, root: Path) -> Path:
    """Write the files of a section, and draw every picture that they name."""
    files = dict(re.findall(r"^`([\w./]+)`\n```\w+\n(.*?)^```", section(title), re.DOTALL | re.MULTILINE))
    assert files
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, encoding="utf-8")
    for number, name in enumerate(sorted(named(files))):
        draw(root, name, number)
    return root


def named(files: dict[str, str]) -> set[str]:
    captioned = csv.DictReader(files.get("metadata.csv", "").splitlines())
    lines = "".join(files.get(name, "") for name in ("queries.jsonl", "corpus.jsonl")).splitlines()
    shown = {values["image"] for values in map(json.loads, lines) if "image" in values}
    return {row["file_name"] for row in captioned} | shown


@pytest.fixture
def read(tmp_path: Path, build: Callable[[FolderSettings, Path], Built]) -> Callable[..., Built]:
    def read(*titles: str) -> Built:
        for title in titles:
            write_example(title, tmp_path / "data")
        built = build(FolderSettings(path=tmp_path / "data"), tmp_path / "artifact")
        validate_artifact("dataset", built.folder)
        return built

    return read


def tasks_named(title: str) -> set[str]:
    return set(re.findall(r"`((?:\w+_)?(?:i|t|it)2(?:it|i|t)(?:_\w+)?)`", section(title)))


def test_captions_of_the_page(read: Callable[..., Built]) -> None:
    built = read(CAPTIONS)
    assert set(built["tasks"]["task_id"]) == tasks_named(CAPTIONS) == {"t2i", "i2t"}
    assert built["quarantine"].is_empty()
    assert len(built["pairs"]) == 8
    groups = built["samples"].filter(modality="image").select("group", "split")
    assert sorted(groups.iter_rows()) == [
        ("cat", "test"),
        ("cat", "test"),
        ("lake", "train"),
        ("lake", "train"),
        ("market", "validation"),
        ("stop", "support"),
        ("tram", "support"),
    ]


def test_queries_of_the_page(read: Callable[..., Built]) -> None:
    built = read(QUERIES)
    tasks = set(built["tasks"]["task_id"])
    assert tasks_named(QUERIES) <= tasks
    assert set(built["tasks"].filter(control="none")["task_id"]) == {"queries_t2i", "change_it2i", "ask_it2t"}
    assert len(tasks) == 3 + 2 * 2
    assert built["quarantine"].is_empty()
    answers = built["qrels"].filter(task_id="queries_t2i").select("query_id", "sample_id", "relevance")
    assert set(answers.iter_rows()) == {
        ("query:q1", "corpus:p1", 2),
        ("query:q1", "corpus:p2", 1),
        ("query:q4", "corpus:p4", 1),
    }
    (own,) = built["queries"].filter(task_id="ask_it2t")["prompt_id"]
    assert dict(built["prompts"].iter_rows())[own] == "Answer in one word:"
    assert set(built["queries"]["split"]) == {"test", "support"}


def test_both_layouts_in_one_folder(read: Callable[..., Built]) -> None:
    tasks = set(read(CAPTIONS, QUERIES)["tasks"]["task_id"])
    assert tasks >= {"t2i", "i2t", "queries_t2i"}


def remove(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def add_caption(row: str) -> Callable[[Path], None]:
    def add(root: Path) -> None:
        with (root / "metadata.csv").open("a", encoding="utf-8") as file:
            file.write(f"{row}\n")

    return add


def only_training(root: Path) -> None:
    remove(root, "metadata.csv", "qrels/test.tsv")
    (root / "qrels" / "support.tsv").rename(root / "qrels" / "train.tsv")


def support_to_validation(root: Path) -> None:
    metadata = root / "metadata.csv"
    metadata.write_text(metadata.read_text().replace(",support,stop", ",validation,stop"))


MISTAKES: dict[str, Callable[[Path], object]] = {
    "has no metadata file": lambda root: remove(root, "metadata.csv", "queries.jsonl", "corpus.jsonl", "qrels"),
    "has metadata.csv and metadata.jsonl": lambda root: write_lines(root / "metadata.jsonl", []),
    "metadata.csv has no column text": lambda root: (root / "metadata.csv").write_text("file_name\n"),
    "is outside the folder": add_caption("../x.png,x,test,x"),
    "the split is dev": add_caption("town/05.png,x,dev,x"),
    "dev.tsv is of no split": lambda root: write_qrels(root, "dev", []),
    "the picture town/03.png has the split": add_caption("town/03.png,x,train,cat"),
    "the group cat has the split": add_caption("town/05.png,x,train,cat"),
    "the query q1 is in the split": lambda root: write_qrels(root, "train", ["q1 p1 1"]),
    "and no queries.jsonl": lambda root: remove(root, "queries.jsonl"),
    "and no qrels/<split>.tsv": lambda root: remove(root, "qrels"),
    "is no header": lambda root: write_qrels(root, "test", ["q1 p1 1"], HEADER.replace("\t", " ")),
    "is no JSON object": lambda root: write_lines(root / "corpus.jsonl", ["p1"]),
    "asks nothing": only_training,
    "row 9 goes from line 10 to line 11": add_caption('town/07.png,"x,test,x\ntown/08.png,y,test,y'),
    "is not UTF-8": lambda root: (root / "metadata.csv").write_bytes(b"\xe9"),
    "is UTF-16 without a byte order mark": lambda root: (root / "metadata.csv").write_bytes("text".encode("utf-16-le")),
    "the split support has one picture": support_to_validation,
}


def test_every_error_of_the_page_is_tried() -> None:
    table = section("What is wrong, and what happens").split("| what | words |")[1]
    assert set(re.findall(r"`([^`]+)`", table)) == MISTAKES.keys()


@pytest.mark.parametrize("words", MISTAKES)
def test_errors_of_the_page(words: str, tmp_path: Path) -> None:
    root = write_example(QUERIES, write_example(CAPTIONS, tmp_path / "data"))
    MISTAKES[words](root)
    with pytest.raises(DataError) as error:
        build_dataset(FolderSettings(path=root), tmp_path)
    assert words in str(error.value)
    assert error.value.remedy


def test_a_source_of_the_page(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("data_set", DOCS / "adding" / "data_set.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    source, settings = module.MEMBER, module.MEMBER.settings()
    assert settings.name == source.name
    assert source.identity(settings) == source.identity(settings)
    (tmp_path / "artifact").mkdir()
    source.read(settings).write(tmp_path / "artifact")
    assert [result for result in validate_artifact("dataset", tmp_path / "artifact") if not result.success] == []
    built = {table.name: read_table(tmp_path / "artifact", table.name) for table in tables_of("dataset")}
    assert len(built["pairs"]) == 50
    assert set(built["queries"]["split"]) == {"support", "validation", "test"}
