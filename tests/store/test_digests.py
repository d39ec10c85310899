"""Digests are remembered while a file stays as it is, and never longer."""

import os
import sqlite3
import time
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from pipeline_core.store.digests import Digests, file_digest
from pipeline_core.store.fingerprint import folder_digest


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def digest(path: Path, memo: Path) -> str:
    with Digests(memo) as digests:
        return digests.of(path)


def remembered(memo: Path) -> list[str]:
    with closing(sqlite3.connect(memo)) as database:
        return [digest for (digest,) in database.execute("SELECT digest FROM files ORDER BY path")]


@pytest.fixture
def memo(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "digests.sqlite"


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files change long before they are read."""
    monkeypatch.setattr("pipeline_core.store.digests._SETTLED_SECONDS", -1.0)


@pytest.mark.usefixtures("settled")
def test_what_is_remembered_is_not_read_again(tmp_path: Path, memo: Path) -> None:
    file = written(tmp_path / "a", "one")
    assert digest(file, memo) == file_digest(file)
    with closing(sqlite3.connect(memo)) as database, database:
        assert database.execute("UPDATE files SET digest = 'remembered'").rowcount == 1
    assert digest(file, memo) == "remembered"


@pytest.mark.usefixtures("settled")
def test_one_that_changes_again_and_again_takes_one_row(tmp_path: Path, memo: Path) -> None:
    for text in ("one", "other", "another"):
        assert digest(written(tmp_path / "a", text), memo) == sha256(text.encode()).hexdigest()
    assert remembered(memo) == [sha256(b"another").hexdigest()]


@pytest.mark.usefixtures("settled")
def test_what_another_remembers_meanwhile_stays(tmp_path: Path, memo: Path) -> None:
    one, two = written(tmp_path / "one", "1"), written(tmp_path / "two", "2")
    with Digests(memo) as first:
        assert (first.of(one), digest(two, memo)) == (file_digest(one), file_digest(two))
    assert remembered(memo) == [file_digest(one), file_digest(two)]


@pytest.mark.usefixtures("settled")
def test_one_that_never_ends_to_write_is_waited_for_once(
    tmp_path: Path, memo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest(written(tmp_path / "a", "one"), memo)
    monkeypatch.setattr("pipeline_core.store.digests._PATIENCE_SECONDS", 0.5)
    files = [written(tmp_path / f"{n}", f"{n}") for n in range(20)]
    with closing(sqlite3.connect(memo, isolation_level=None)) as other, Digests(memo) as digests:
        other.execute("BEGIN EXCLUSIVE")
        started = time.monotonic()
        assert [digests.of(file) for file in files] == [file_digest(file) for file in files]
        assert time.monotonic() - started < 5.0


@pytest.mark.usefixtures("settled")
def test_one_that_is_locked_from_the_start_stays(tmp_path: Path, memo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = written(tmp_path / "one", "1"), written(tmp_path / "two", "2")
    digest(one, memo)
    monkeypatch.setattr("pipeline_core.store.digests._PATIENCE_SECONDS", 0.01)
    with closing(sqlite3.connect(memo, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert digest(two, memo) == file_digest(two)
    assert remembered(memo) == [file_digest(one)]


@pytest.mark.usefixtures("settled")
def test_one_whose_pages_are_damaged_is_made_anew(tmp_path: Path, memo: Path) -> None:
    files = [written(tmp_path / f"{n}", f"{n}") for n in range(200)]

    def read() -> None:
        with Digests(memo) as digests:
            assert [digests.of(file) for file in files] == [file_digest(file) for file in files]

    read()
    pages = memo.read_bytes()
    memo.write_bytes(pages[:4096] + b"\xff" * (len(pages) - 4096))
    read()
    read()
    assert len(remembered(memo)) == len(files)


@pytest.mark.usefixtures("settled")
def test_a_name_that_is_no_text_is_read_each_time(tmp_path: Path, memo: Path) -> None:
    file = written(tmp_path / "\udcff", "one")
    assert digest(file, memo) == digest(file, memo) == file_digest(file)
    assert remembered(memo) == []


@pytest.mark.usefixtures("settled")
def test_a_change_that_keeps_size_and_time_is_seen(tmp_path: Path, memo: Path) -> None:
    file = written(tmp_path / "a", "one")
    first, stat = digest(file, memo), file.stat()
    file.write_text("two")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert digest(file, memo) == file_digest(file) != first


def test_a_file_that_just_changed_is_not_remembered(tmp_path: Path, memo: Path) -> None:
    assert digest(written(tmp_path / "a", "one"), memo)
    assert remembered(memo) == []


@pytest.mark.usefixtures("settled")
def test_a_link_is_what_it_leads_to(tmp_path: Path, memo: Path) -> None:
    one, two = written(tmp_path / "one", "1"), written(tmp_path / "two", "2")
    for file in (one, two):
        os.utime(file, (1, 1))
    link = tmp_path / "link"
    link.symlink_to(one)
    first = digest(link, memo)
    link.unlink()
    link.symlink_to(two)
    assert (first, digest(link, memo)) == (file_digest(one), file_digest(two))


@pytest.mark.parametrize("content", ["", "no database", "\xff" * 5000])
@pytest.mark.usefixtures("settled")
def test_a_damaged_memo_is_made_anew(tmp_path: Path, memo: Path, content: str) -> None:
    written(memo, "").write_bytes(content.encode("latin-1"))
    file = written(tmp_path / "a", "one")
    assert digest(file, memo) == file_digest(file)
    assert remembered(memo) == [file_digest(file)]


@pytest.mark.usefixtures("settled")
def test_a_memo_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    file = written(tmp_path / "a", "one")
    assert digest(file, file / "below a file" / "digests.sqlite") == file_digest(file)


def test_a_missing_file_is_told(tmp_path: Path, memo: Path) -> None:
    with pytest.raises(FileNotFoundError):
        digest(tmp_path / "none", memo)


def test_a_folder_s_digest_follows_names_contents_links_and_hidden_files(tmp_path: Path, memo: Path) -> None:
    folder = tmp_path / "model"
    seen = []
    for change in (
        lambda: written(folder / "a.bin", "one"),
        lambda: (folder / "a.bin").rename(folder / "b.bin"),
        lambda: written(folder / "b.bin", "two"),
        lambda: written(folder / ".hidden" / "c", "three"),
        lambda: (written(tmp_path / "elsewhere" / "d", "four"), (folder / "linked").symlink_to(tmp_path / "elsewhere")),
        lambda: written(tmp_path / "elsewhere" / "d", "five"),
    ):
        change()
        seen.append(folder_digest(folder, memo))
    assert len(set(seen)) == len(seen)
    written(folder / ".git" / "index", "bookkeeping")
    written(folder / "sub" / ".cache" / "metadata", "bookkeeping")
    (folder / "empty").mkdir()
    (folder / "broken").symlink_to(tmp_path / "nowhere")
    assert folder_digest(folder, memo) == seen[-1]
    assert folder_digest(folder.rename(tmp_path / "moved"), memo) == seen[-1]


def test_links_that_go_round_end(tmp_path: Path, memo: Path) -> None:
    one, two = written(tmp_path / "m" / "one" / "a", "1").parent, written(tmp_path / "m" / "two" / "b", "2").parent
    (one / "two").symlink_to(two)
    (two / "one").symlink_to(one)
    (one / "self").symlink_to(one)
    assert folder_digest(tmp_path / "m", memo) == folder_digest(tmp_path / "m", memo)


def test_a_link_to_itself_is_no_file(tmp_path: Path, memo: Path) -> None:
    (tmp_path / "one").symlink_to(tmp_path / "two")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    with pytest.raises(OSError, match="symbolic links"):
        digest(tmp_path / "one", memo)


def test_a_file_that_changes_while_it_is_read_is_not_remembered(
    tmp_path: Path, memo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long reading takes, a change in the same tick of the file system's clock could have come first."""
    file = written(tmp_path / "a", "one")
    clock = [file.stat().st_mtime + 1.0]

    def slowly(path: Path) -> str:
        clock[0] += 60.0
        return file_digest(path)

    monkeypatch.setattr("pipeline_core.store.digests.time.time", lambda: clock[0])
    monkeypatch.setattr("pipeline_core.store.digests.file_digest", slowly)
    digest(file, memo)
    assert remembered(memo) == []
    digest(file, memo)
    assert memo.exists()
