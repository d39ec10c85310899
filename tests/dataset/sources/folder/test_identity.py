"""The identity is that of the files that rows name, however they are reached, and of nothing else."""

from pathlib import Path

import pytest

from pipeline_core.dataset.build import source_identity
from pipeline_core.dataset.sources.folder import FolderSettings
from pipeline_core.errors import DataError
from pipeline_core.store.digests import file_digest
from tests.dataset.sources.folder.conftest import Read
from tests.dataset.sources.folder.making import draw, write_captions, write_lines, write_qrels


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, in which files are remembered however young they are."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("pipeline_core.store.digests._SETTLED_SECONDS", -1.0)
    return tmp_path / "cache"


@pytest.fixture
def filled(root: Path, tmp_path: Path) -> Path:
    """Captions and queries, with pictures in a linked folder, in a hidden one, and one that is itself a link."""
    (tmp_path / "elsewhere").mkdir()
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    draw(tmp_path, "outside.png", 99)
    (root / "link.png").symlink_to(tmp_path / "outside.png")
    names = [draw(root, f"{n:02d}.png", n) for n in range(10)]
    names += [draw(root, "linked/a.png", 20), draw(root, ".hidden/b.png", 21), "link.png"]
    write_captions(root, ("file_name", "text"), [(name, f"picture {name}") for name in names])
    write_lines(root / "queries.jsonl", [{"_id": "q", "image": draw(root, "asked/q.png", 30)}])
    write_lines(
        root / "corpus.jsonl", [{"_id": "d", "image": draw(root, "found/d.png", 31)}, {"_id": "e", "text": "e"}]
    )
    write_qrels(root, "test", ["q d 1", "q e 1"])
    return root


def identity(root: Path) -> str:
    return source_identity(FolderSettings(path=root))


def add(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as appended:
        appended.write(text)


@pytest.mark.parametrize("name", ["00.png", "linked/a.png", ".hidden/b.png", "link.png", "asked/q.png", "found/d.png"])
def test_a_picture_that_changes(filled: Path, name: str) -> None:
    before = identity(filled)
    draw(filled, name, 500)
    assert identity(filled) != before


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("metadata.csv", "00.png,another\n"),
        ("queries.jsonl", '{"_id": "r", "text": "r"}\n'),
        ("corpus.jsonl", '{"_id": "f", "text": "f"}\n'),
        ("qrels/test.tsv", "q\te\t2\n"),
        ("qrels/train.tsv", "query-id\tcorpus-id\tscore\n"),
    ],
)
def test_a_file_that_says_what_the_data_are(filled: Path, name: str, text: str) -> None:
    before = identity(filled)
    add(filled / name, text)
    assert identity(filled) != before


def test_what_no_row_names_adds_nothing(filled: Path, tmp_path: Path) -> None:
    before = identity(filled)
    add(filled / "store" / "dataset" / "0123" / "manifest.json", "{}")
    add(filled / ".git" / "index", "x")
    add(filled / "qrels" / "notes.txt", "x")
    draw(filled, "99.png", 3)
    (filled / "broken").symlink_to(tmp_path / "nowhere")
    (filled / "self").symlink_to(filled)
    assert identity(filled) == before


def test_a_picture_that_appears_or_goes(filled: Path) -> None:
    add(filled / "metadata.csv", "late.png,late\n")
    without = identity(filled)
    draw(filled, "late.png", 7)
    assert identity(filled) != without
    (filled / "late.png").unlink()
    assert identity(filled) == without


@pytest.mark.parametrize("name", ["a\0b.png", "n" * 300 + ".png", "round/x.png", "00.png/x.png", "."])
def test_a_name_that_no_file_can_have_is_a_missing_picture(filled: Path, name: str) -> None:
    (filled / "round").symlink_to(filled / "round")
    add(filled / "corpus.jsonl", f'{{"_id": "x", "image": "{name}"}}\n'.replace("\0", "\\u0000"))
    assert len(identity(filled)) == 64


def test_an_unreadable_file_is_told(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pipeline_core.store.digests.file_digest", denied)
    with pytest.raises(DataError, match=r"metadata.csv cannot be read: Permission denied; let it be read$"):
        identity(filled)


def test_the_same_data_elsewhere_are_the_same(filled: Path, tmp_path: Path) -> None:
    before = identity(filled)
    assert identity(filled.rename(tmp_path / "moved")) == before


def test_pictures_are_read_once(filled: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def noted(path: Path) -> str:
        read.append(path.name)
        return file_digest(path)

    monkeypatch.setattr("pipeline_core.store.digests.file_digest", noted)
    first = identity(filled)
    assert len(read) == len(set(read)) == 4 + 13 + 2
    read.clear()
    assert identity(filled) == first
    assert read == []
    draw(filled, "05.png", 600)
    assert identity(filled) != first
    assert read == ["05.png"]
    assert (cache / "retrieval-lens" / "digests.sqlite").is_file()


def test_linked_and_hidden_pictures_are_read(filled: Path, read: Read) -> None:
    references = set(read()["samples"]["image_ref"].drop_nulls())
    assert {"file:linked/a.png", "file:.hidden/b.png", "file:link.png", "file:asked/q.png"} <= references
