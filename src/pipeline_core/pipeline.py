"""The stages of the pipeline, in order: everything that plans, runs, documents and guards them goes by this list.

Stages of other distributions follow, by entry points of the group ``retrieval_lens.stage``.
"""

from collections.abc import Mapping
from typing import Any

from pipeline_core.activations import stage as activations
from pipeline_core.activations.settings import RepresentationSettings
from pipeline_core.attention import stage as attention
from pipeline_core.codes import stage as codes
from pipeline_core.dataset import stage as dataset
from pipeline_core.doses import stage as doses
from pipeline_core.efficiency import stage as efficiency
from pipeline_core.features import stage as features
from pipeline_core.grid import stage as grid
from pipeline_core.index import stage as index
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

STAGES: Mapping[str, Stage[Any]] = {stage.name: stage for stage in (*_INSIDE, *Registry("stage").values())}
"""Every stage by name, inputs before what reads from them."""

SHARED: Mapping[str, type[Section]] = {
    "representation": RepresentationSettings,
    "adaptations": adaptation_settings(),
    "scoring": ScoringSettings,
}
"""Sections of the config that belong to no stage alone, by name."""

SAES = sae.STAGE.name
"""The section that is a list: one element an autoencoder."""

for _stage in STAGES.values():
    add_tables(_stage.tables)
