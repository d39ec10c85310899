from pathlib import Path

import pytest

from pipeline_core.store.durable import clear_unfinished, whole_files


def test_files_come_into_their_places_whole_and_the_seal_last(tmp_path: Path, monkeypatch) -> None:
    moved, real = [], Path.replace
    monkeypatch.setattr(Path, "replace", lambda own, target: moved.append(target.name) or real(own, target))
    with whole_files(tmp_path, "00001", "a/first") as aside:
        for name in ("a/first", "b/.second", "third"):
            (aside / name).parent.mkdir(exist_ok=True)
            (aside / name).write_text(name)
        assert not [path for path in tmp_path.rglob("*") if path.is_file() and aside not in path.parents]
    assert moved[-1] == "first"
    assert sorted(moved) == [".second", "first", "third"]
    assert (tmp_path / "b" / ".second").read_text() == "b/.second"


def test_what_went_wrong_leaves_nothing_and_what_was_killed_is_cleared(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), whole_files(tmp_path, "00001", "file") as aside:
        (aside / "file").write_text("half")
        raise ZeroDivisionError
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    killed = whole_files(tmp_path, "00001", "file")
    (killed.__enter__() / "file").write_text("half")
    with whole_files(tmp_path, "00001", "file") as aside:
        (aside / "file").write_text("whole")
    clear_unfinished(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["file"]
    assert (tmp_path / "file").read_text() == "whole"
