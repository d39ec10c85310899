"""The stages of the pipeline, in order: everything that plans, runs, documents and guards them goes by this list.

Stages of other distributions follow, by entry points of the group ``retrieval_lens.stage``.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline_core.activations import stage as activations
from pipeline_core.activations.settings import RepresentationSettings
from pipeline_core.attention import stage as attention
from pipeline_core.codes import stage as codes
from pipeline_core.dataset import stage as dataset
from pipeline_core.doses import stage as doses
from pipeline_core.efficiency import stage as efficiency
from pipeline_core.errors import LensError
from pipeline_core.features import stage as features
from pipeline_core.grid import stage as grid
from pipeline_core.index import stage as index
from pipeline_core.presets.protocol import ProtocolSettings
from pipeline_core.redraw import stage as redraw
from pipeline_core.registry import Registry
from pipeline_core.report import stage as report
from pipeline_core.retrieval import stage as retrieval
from pipeline_core.retrieval.adaptations import adaptation_settings
from pipeline_core.retrieval.settings import ScoringSettings
from pipeline_core.sae import stage as sae
from pipeline_core.schema import add_tables
from pipeline_core.settings import Section
from pipeline_core.stage import Stage

_INSIDE: tuple[Stage[Any], ...] = (
    dataset.STAGE,
    redraw.STAGE,
    activations.STAGE,
    sae.STAGE,
    codes.STAGE,
    features.STAGE,
    retrieval.STAGE,
    grid.STAGE,
    doses.STAGE,
    index.STAGE,
    attention.STAGE,
    efficiency.STAGE,
    report.STAGE,
)

SHARED: Mapping[str, type[Section]] = {
    "representation": RepresentationSettings,
    "adaptations": adaptation_settings(),
    "scoring": ScoringSettings,
    "protocol": ProtocolSettings,
}
"""Sections of the config that belong to no stage alone, by name."""

_OTHERS = frozenset({"model", "compare_with", "repetitions", "placement"})
"""Fields of the config that are no section of stages."""

SAES = sae.STAGE.name
"""The section that is a list: one element an autoencoder."""


def with_outside(inside: Sequence[Stage[Any]], outside: Iterable[Stage[Any]]) -> dict[str, Stage[Any]]:
    """Return stages by name, those from outside behind the others, inputs before what reads from them.

    Raises:
        LensError: a stage from outside reads from one that there is not, or from itself through others, or its name is
            that of another stage or section.
    """
    stages = {stage.name: stage for stage in inside}
    waiting = {stage.name: stage for stage in outside}
    if taken := sorted(waiting.keys() & (stages.keys() | SHARED.keys() | _OTHERS)):
        raise LensError(f"the stage {taken[0]!r} from outside is called as a section of the config", "rename it")
    while waiting:
        ready = [name for name, stage in waiting.items() if {wanted.stage for wanted in stage.inputs} <= stages.keys()]
        if not ready:
            name, stage = next(iter(waiting.items()))
            missing = sorted({wanted.stage for wanted in stage.inputs} - stages.keys())
            raise LensError(
                f"the stage {name!r} from outside reads from {', '.join(missing)}, which no stage before it makes",
                f"name stages of {', '.join(stages)}",
            )
        stages |= {name: waiting.pop(name) for name in ready}
    return stages


STAGES: Mapping[str, Stage[Any]] = with_outside(_INSIDE, Registry[Stage[Any]]("stage").values())
"""Every stage by name, inputs before what reads from them."""

for _stage in STAGES.values():
    add_tables(_stage.tables)
