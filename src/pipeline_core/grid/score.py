"""The grid stage: every layer, pooling, mask and adaptation over stored embeddings; no model is run."""

from collections.abc import Callable
from pathlib import Path

from pipeline_core.activations.vectors import embedding_width, representations
from pipeline_core.grid.settings import GridSettings
from pipeline_core.grid.systems import compared, list_grid
from pipeline_core.retrieval.adaptations import Scope
from pipeline_core.retrieval.settings import ScoringSettings
from pipeline_core.retrieval.study import Study, score_study
from pipeline_core.retrieval.systems import system_id
from pipeline_core.settings import Section


def score_grid(
    activations: Path,
    dataset: Path,
    rep_id: str,
    settings: GridSettings,
    scoring: ScoringSettings,
    adaptations: Section,
    folder: Path,
    progress: Callable[[int, int], None],
) -> None:
    """Score the systems of the grid on every task that is no control, and write its tables.

    Comparisons are of the test split, all one family of tests. Beside the tables are the adaptations of the
    analysed representation as fitted for the test split: ``adaptations/<task>.safetensors``. Recall and nDCG are given
    only in the study of adaptations.

    Args:
        activations: artifact with the embeddings.
        dataset: artifact with tasks and judgements.
        rep_id: the representation that every adaptation is tried on.
        settings: what is tried.
        scoring: cut-offs, resamples, permutations, seed.
        adaptations: parameters of the adaptations.
        folder: where to write.
        progress: called with (done, all) after each task of a representation.

    Raises:
        DataError: a task has no queries, no candidates, nothing relevant, or too few to fit on, in a split.
        StoreError: the artifact has no such representation, or a sample was not embedded.
    """
    table = representations(activations)
    model = str(table["model"][0])
    systems = list_grid(table, rep_id, Scope(embedding_width(activations), adaptations), settings)
    fitted = frozenset(system_id(model, system) for system in systems.adaptations)
    study = Study(
        "grid",
        model,
        rep_id,
        systems.all,
        tuple(compared(systems, table, adaptations)),
        listed=fitted | {system_id(model, system) for system in systems.combined},
        saved=fitted,
    )
    score_study(study, activations, dataset, scoring, folder, progress)
