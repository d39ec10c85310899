"""What a server keeps: a run's artifacts while they are there; addresses of queries as browsers write them."""

import shutil
from pathlib import Path
from urllib.parse import parse_qs, quote_plus, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core import open_store
from pipeline_core.app.answers import Answer
from pipeline_core.app.site import Site
from pipeline_core.errors import StoreError


def test_an_artifact_is_read_once_and_missed_when_it_is_gone(tiny_store: Path, tmp_path: Path) -> None:
    store = Path(shutil.copytree(tiny_store, tmp_path / "store"))
    run = Site(store).run(open_store(store).run().record.run_id)
    folder = run.artifact("dataset")
    manifest = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text("no manifest")
    assert run.artifact("dataset") == folder
    (folder / "manifest.json").write_text(manifest)
    shutil.rmtree(folder)
    with pytest.raises(StoreError, match="is missing"):
        run.artifact("dataset")


@given(st.text(), st.none() | st.text())
def test_a_query_stands_in_its_address_as_it_is(sql: str, run: str | None) -> None:
    link = Answer([], sql, run).link
    told = parse_qs(urlsplit(link).query, keep_blank_values=True)
    assert told["sql"] == [sql]
    assert told.get("run") == (None if run is None else [run])
    assert link.startswith(f"/sql?sql={quote_plus(sql)}")
