"""A picture in no pair is called by an answer that shows it with a text, never by what somebody asks about it."""

from pathlib import Path
from typing import cast

import polars as pl

from pipeline_core.activations.plan import DatasetTables
from pipeline_core.activations.settings import ActivationsSettings, RepresentationSettings
from pipeline_core.index.search import Hit
from pipeline_core.index.searcher import Searcher
from pipeline_core.models.embedder import Embedder

SAMPLES = pl.DataFrame(
    {
        "sample_id": ["image:a", "image:b", "item:a", "edit:a", "edit:b"],
        "text": [None, None, "a runner, pale", "as a man", "as a woman"],
        "sha256": ["aa", "bb", "aa", "aa", "bb"],
    }
)


def test_pictures_are_called_by_the_answers_that_show_them() -> None:
    none = pl.DataFrame()
    tables = DatasetTables(SAMPLES, none, none, pl.DataFrame({"sample_id": ["image:a", "image:b", "item:a"]}), none)
    searcher = Searcher(cast(Embedder, None), tables, Path(), ActivationsSettings(), RepresentationSettings())
    hits = tuple(Hit(name, "image", text, 0.5) for name, text in (("image:a", None), ("image:b", None), ("c", "own")))
    assert [str(hit) for hit in searcher._named(hits)] == [
        "0.500  a runner, pale (image)",
        "0.500  image:b (image)",
        "0.500  own (image)",
    ]
