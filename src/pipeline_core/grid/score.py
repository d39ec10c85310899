"""The grid stage: every layer, pooling, mask and adaptation over stored embeddings; no model is run."""

from functools import partial

from pipeline_core.activations.derived import NO_WORDS, load_without_words
from pipeline_core.activations.vectors import embedding_width, representations
from pipeline_core.grid.settings import GridSettings
from pipeline_core.grid.systems import compared, list_grid
from pipeline_core.retrieval.adaptations import Scope
from pipeline_core.retrieval.study import Bench, Study, score_study
from pipeline_core.retrieval.systems import system_id


def score_grid(bench: Bench, settings: GridSettings) -> None:
    """Score the systems of the grid on every task that is no control, and write its tables.

    Comparisons are of the test split, all one family of tests. Beside the tables are the adaptations of the
    analysed representation as fitted for the test split: ``adaptations/<task>.safetensors``. Recall and nDCG are given
    only in the study of adaptations.

    Args:
        bench: what is scored; every adaptation is tried on its representation.
        settings: what is tried.

    Raises:
        DataError: a task has no queries, no candidates, nothing relevant, or too few to fit on, in a split.
        StoreError: the artifact has no such representation, or a sample was not embedded.
    """
    table = representations(bench.activations)
    scope = Scope(embedding_width(bench.activations), bench.adaptations)
    systems = list_grid(table, bench.rep_id, scope, settings)
    fitted = frozenset(system_id(bench.model, system) for system in systems.adaptations)
    score_study(
        Study(
            "grid",
            bench,
            systems.all,
            tuple(compared(systems, table, bench.adaptations)),
            derived={NO_WORDS: partial(load_without_words, bench.activations, systems.means, bench.room)},
            listed=fitted | {system_id(bench.model, system) for system in systems.combined},
            saved=fitted,
        )
    )
