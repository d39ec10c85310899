"""The store: built once, published whole, damage set aside, interrupted builds resumed."""

import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.errors import ContractError, StoreError
from pipeline_core.store import digests
from pipeline_core.store.artifacts import Store
from pipeline_core.store.fingerprint import StageKey, canonical_json
from pipeline_core.store.manifest import read_artifact
from tests.shared import no_more_files

KEY = StageKey("sae", 1, {"k": 32})


def write(text: str):
    def build(folder: Path) -> None:
        (folder / "data.txt").write_text(text)

    return build


def test_a_second_materialize_finds_the_first(tmp_path) -> None:
    store = Store(tmp_path)
    first, cached_first = store.materialize(KEY, write("one"))
    again, cached_again = store.materialize(KEY, write("two"))
    assert (cached_first, cached_again) == (False, True)
    assert first.folder == again.folder
    assert (again.folder / "data.txt").read_text() == "one"
    assert store.verify() == []


@given(st.sampled_from(["version", "config", "inputs", "source", "numerics"]))
def test_every_field_of_a_key_counts(field: str) -> None:
    base = {
        "stage": "sae",
        "version": 1,
        "config": {"k": 1},
        "inputs": {"a": "0"},
        "source": "x",
        "numerics": {"threads": 2},
    }
    other = base | {
        field: {"version": 2, "config": {"k": 2}, "inputs": {"a": "1"}, "source": "y", "numerics": {"threads": 1}}[
            field
        ]
    }
    assert StageKey(**base).fingerprint != StageKey(**other).fingerprint


def test_key_order_does_not_count() -> None:
    assert canonical_json({"b": 1, "a": 2}) == canonical_json({"a": 2, "b": 1})
    with pytest.raises(ValueError, match=r"(?i)nan|out of range"):
        canonical_json({"x": float("nan")})


def test_a_failed_build_publishes_nothing_and_resumes(tmp_path) -> None:
    store = Store(tmp_path)

    def fail(folder: Path) -> None:
        (folder / "shard-0").write_text("done")
        raise OSError("disk went away")

    with pytest.raises(OSError, match="disk went away"):
        store.materialize(KEY, fail)
    assert store.status(KEY) == "missing"

    def resume(folder: Path) -> None:
        assert (folder / "shard-0").read_text() == "done"
        (folder / "shard-1").write_text("more")

    artifact, cached = store.materialize(KEY, resume)
    assert not cached
    assert [f.path for f in artifact.manifest.files] == ["shard-0", "shard-1"]


def test_a_failing_contract_publishes_nothing(tmp_path) -> None:
    store = Store(tmp_path)

    def refuse(folder: Path):
        raise ContractError("table codes, column values: found 0.0", "mend it")

    with pytest.raises(ContractError):
        store.materialize(KEY, write("bad"), refuse)
    assert store.status(KEY) == "missing"
    assert store.artifacts() == []


@pytest.mark.parametrize("damage", ["delete", "truncate", "manifest", "garble manifest"])
def test_damage_is_seen_set_aside_and_mended(tmp_path, damage: str, caplog) -> None:
    store = Store(tmp_path)
    folder = store.materialize(KEY, write("contents"))[0].folder
    match damage:
        case "delete":
            (folder / "data.txt").unlink()
        case "truncate":
            (folder / "data.txt").write_text("cont")
        case "manifest":
            (folder / "manifest.json").unlink()
        case _:
            (folder / "manifest.json").write_text("{")
    assert store.status(KEY) == "damaged"
    assert len(store.verify()) == 1
    with pytest.raises(StoreError, match="damaged"):
        store.get(KEY)
    artifact, cached = store.materialize(KEY, write("contents"))
    assert not cached
    assert (artifact.folder / "data.txt").read_text() == "contents"
    assert "set aside" in caplog.text
    assert len(list((tmp_path / ".damaged").iterdir())) == 1
    assert store.verify() == []


def test_that_no_more_files_may_be_opened_is_no_damage(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.materialize(KEY, write("contents"))
    for ask in (store.status, store.mend, store.get):
        with no_more_files(), pytest.raises(OSError, match="Too many open files"):
            ask(KEY)
    assert store.status(KEY) == "present"
    assert not (tmp_path / ".damaged").exists()


def test_verify_finds_altered_bytes_of_the_same_size(tmp_path) -> None:
    store = Store(tmp_path)
    folder = store.materialize(KEY, write("contents"))[0].folder
    (folder / "data.txt").write_text("CONTENTS")
    assert store.status(KEY) == "present"
    (problem,) = store.verify()
    assert (problem.file, problem.what) == ("data.txt", "has other contents than were published")


def flip(path: Path, back: bool = True) -> None:
    """Change a byte, and the time of the change back."""
    stat = path.stat()
    contents = bytearray(path.read_bytes())
    contents[-1] ^= 1
    path.write_bytes(contents)
    if back:
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_what_is_built_upon_is_read_against_its_digest(tmp_path, caplog) -> None:
    store = Store(tmp_path)
    folder = store.materialize(KEY, write("contents"))[0].folder
    assert store.get(KEY).folder == folder
    assert store.mend(KEY) == "present"
    flip(folder / "data.txt")
    assert store.status(KEY) == "present", "which reads nothing"
    with pytest.raises(StoreError, match="damaged"):
        store.get(KEY)
    assert store.mend(KEY) == "missing"
    assert "set aside" in caplog.text
    assert len(list((tmp_path / ".damaged").iterdir())) == 1
    assert not store.materialize(KEY, write("contents"))[1]
    assert store.mend(KEY) == "present"


def age(path: Path) -> None:
    """Wait until clocks of file systems tell its last change from the next one."""
    while time.time() - path.stat().st_ctime < 2.1:
        Event().wait(0.1)


def test_bytes_are_read_once_a_process_while_nothing_changes(tmp_path, monkeypatch) -> None:
    store = Store(tmp_path)
    data = store.materialize(KEY, write("contents"))[0].folder / "data.txt"
    age(data)
    reads = []
    real = digests.file_digest
    monkeypatch.setattr(digests, "file_digest", lambda path: reads.append(path) or real(path))
    assert [store.mend(KEY) for _ in range(3)] == ["present"] * 3
    assert reads == [data]
    flip(data)
    with pytest.raises(StoreError, match="damaged"):
        store.get(KEY)
    assert reads == [data, data]


@pytest.mark.parametrize("path", ["/etc/passwd", "../other/data.txt", "a/../../b", ""])
def test_a_manifest_that_names_files_outside_is_damage(tmp_path, path: str) -> None:
    store = Store(tmp_path)
    manifest = store.materialize(KEY, write("contents"))[0].folder / "manifest.json"
    manifest.write_text(
        manifest.read_text()
        .replace('"path":"data.txt"', f'"path":"{path}"')
        .replace('"path": "data.txt"', f'"path": "{path}"')
    )
    assert store.status(KEY) == "damaged"
    assert [p.what for p in store.verify()] == [f"the manifest of sae/{KEY.short} cannot be read"]


def test_an_artifact_under_anothers_name_is_damage(tmp_path) -> None:
    store = Store(tmp_path)
    other = StageKey("sae", 2)
    shutil.copytree(store.materialize(KEY, write("contents"))[0].folder, store.folder(other))
    assert store.status(other) == "damaged"
    assert [p.what for p in store.verify()] == [f"the manifest of sae/{other.short} is another artifact's"]


def test_prune_removes_links_not_what_they_lead_to(tmp_path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine.txt").write_text("mine")
    store = Store(tmp_path / "store")
    (store.root / "sae").mkdir()
    link = store.root / "sae" / ("0" * 16)
    link.symlink_to(outside)
    (store.root / ".models").mkdir()
    assert store.prune(set, dry_run=False) == [link, store.root / ".models"]
    assert (outside / "mine.txt").read_text() == "mine"
    assert not link.is_symlink()
    assert not (store.root / ".models").exists()


def _build_in_process(root: Path, log: Path) -> None:
    def build(folder: Path) -> None:
        with log.open("a") as file:
            file.write("built\n")
        (folder / "data.txt").write_text("x" * 100_000)

    Store(root).materialize(KEY, build)


def test_concurrent_processes_build_once(tmp_path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_build_in_process, args=(tmp_path / "store", tmp_path / "log")) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert (tmp_path / "log").read_text() == "built\n"


def _die_in_build(root: Path) -> None:
    def build(folder: Path) -> None:
        (folder / "half").write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)

    Store(root).materialize(KEY, build)


def test_a_killed_build_leaves_no_lock(tmp_path) -> None:
    victim = multiprocessing.get_context("spawn").Process(target=_die_in_build, args=(tmp_path,))
    victim.start()
    victim.join(60)
    assert victim.exitcode == -signal.SIGKILL
    artifact, cached = Store(tmp_path).materialize(KEY, write("whole"))
    assert not cached
    assert {f.path for f in artifact.manifest.files} == {"data.txt", "half"}


def test_prune_keeps_what_is_named(tmp_path) -> None:
    store = Store(tmp_path)
    kept = store.materialize(KEY, write("a"))[0]
    doomed = store.materialize(StageKey("sae", 2), write("b"))[0]
    name = f"{kept.stage}/{kept.fingerprint}"
    assert store.prune(lambda: {name}, dry_run=True) == [doomed.folder]
    assert doomed.folder.exists()
    assert store.prune(lambda: {name}, dry_run=False) == [doomed.folder]
    assert [a.folder for a in store.artifacts()] == [kept.folder]


def test_prune_asks_again_before_it_removes(tmp_path) -> None:
    store = Store(tmp_path)
    artifact = store.materialize(KEY, write("a"))[0]
    answers = iter([set[str](), {f"{artifact.stage}/{artifact.fingerprint}"}])
    assert store.prune(lambda: next(answers), dry_run=False) == []
    assert store.verify() == []
    assert artifact.folder.exists()


def test_prune_bears_a_build_that_is_published_meanwhile(tmp_path) -> None:
    store = Store(tmp_path)
    partial = tmp_path / "codes" / f".partial-{'0' * 16}"
    partial.mkdir(parents=True)
    store.materialize(KEY, write("a"))
    looks = iter(["before the list is made", "under the lock of sae"])

    def keep() -> set[str]:
        if next(looks).startswith("under") and partial.exists():
            partial.rmdir()
        return set()

    assert store.prune(keep, dry_run=False) == [store.folder(KEY)]


def test_an_artifact_is_synced_whole_before_it_has_its_name(tmp_path, monkeypatch) -> None:
    synced: list[tuple[Path, bool]] = []
    folder = tmp_path / KEY.stage / KEY.short

    def fsync(descriptor: int) -> None:
        synced.append((Path(f"/proc/self/fd/{descriptor}").readlink(), folder.exists()))

    def build(place: Path) -> None:
        (place / "a" / "b").mkdir(parents=True)
        (place / "a" / "b" / "data.txt").write_text("x")

    monkeypatch.setattr(os, "fsync", fsync)
    Store(tmp_path).materialize(KEY, build)
    partial = folder.with_name(f".partial-{KEY.short}")
    before = [path for path, published in synced if not published]
    inner = ["a/b/data.txt", "a/b", "a"]
    assert [path for path in before if path in {partial / name for name in inner}] == [partial / n for n in inner]
    assert partial / "manifest.json" in before
    assert before[-1] == partial
    assert [path for path, published in synced if published] == [folder.parent, tmp_path]


def test_an_artifact_is_found_by_the_names_in_the_journal(tmp_path) -> None:
    store = Store(tmp_path)
    folder = store.materialize(KEY, write("contents"))[0].folder
    assert store.find("sae", KEY.short).folder == folder
    (folder / "data.txt").write_text("cont")
    with pytest.raises(StoreError, match=f"sae/{KEY.short} is damaged"):
        store.find("sae", KEY.short)
    with pytest.raises(StoreError, match="is missing"):
        store.find("sae", "0" * 16)


def test_a_store_on_a_file_is_refused(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="--store"):
        Store(tmp_path / "file")


def test_manifest_says_what_went_in(tmp_path) -> None:
    store = Store(tmp_path)
    key = StageKey("sae", 3, {"k": 1}, {"activations": "f" * 64}, "source", {"threads": 2})
    manifest = read_artifact(store.materialize(key, write("x"))[0].folder).manifest
    assert manifest.fingerprint == key.fingerprint
    assert (manifest.config, manifest.inputs, manifest.source) == ({"k": 1}, {"activations": "f" * 64}, "source")
    assert manifest.libraries["torch"].startswith("2.")
