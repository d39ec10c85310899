"""A searcher: a model that is loaded once, and the index that it asks as often as is wanted."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import polars as pl

from pipeline_core.activations.plan import DatasetTables
from pipeline_core.activations.query import Question, embed_question
from pipeline_core.activations.settings import ActivationsSettings, RepresentationSettings
from pipeline_core.index.items import group_name
from pipeline_core.index.search import Hit, SearchResult, Target, search
from pipeline_core.models.embedder import Embedder


@dataclass(frozen=True)
class Searcher:
    """What embeds questions as the items of an index were embedded, and looks them up.

    Attributes:
        embedder: the model that the index was built from.
        tables: the data set, whose instructions questions are embedded under.
        index: folder of the index artifact.
        settings: decide the layer.
        representation: decides pooling and mask.
    """

    embedder: Embedder
    tables: DatasetTables
    index: Path
    settings: ActivationsSettings
    representation: RepresentationSettings

    def search(self, question: Question, to: Target = "image", k: int = 5) -> SearchResult:
        """Return the best answers before and after ReAlign.

        Args:
            question: words, a picture, or both.
            to: modality of the answers; ``any`` finds pictures with texts, too.
            k: answers a variant.

        Raises:
            QueryError: the question's picture cannot be read.
            StoreError: the index cannot be read.
        """
        vector, prompt_id = embed_question(self.embedder, question, self.tables, self.settings, self.representation)
        found = search(self.index, vector, to, k, group_name(question.modality, prompt_id))
        return SearchResult(self._named(found.raw), None if found.realign is None else self._named(found.realign))

    def _named(self, hits: tuple[Hit, ...]) -> tuple[Hit, ...]:
        return tuple(replace(hit, text=hit.text or self._names.get(hit.sample_id)) for hit in hits)

    @cached_property
    def _names(self) -> Mapping[str, str]:
        """What pictures in no pair are called: as an answer that shows the same picture with a text."""
        samples = self.tables.samples
        answers = samples.join(self.tables.candidates, on="sample_id", how="semi").filter(pl.col("text").is_not_null())
        pictures = samples.filter(pl.col("text").is_null(), pl.col("sha256").is_not_null())
        named = pictures.select("sample_id", "sha256").join(answers, on="sha256", suffix="_of_answer")
        return dict(named.sort("sample_id_of_answer", descending=True).select("sample_id", "text").iter_rows())
