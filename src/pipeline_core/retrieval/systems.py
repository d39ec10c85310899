"""Which systems an analysis scores and compares, as adaptations list them; the tables of systems and adaptations."""

from collections.abc import Sequence

import polars as pl

from pipeline_core.retrieval.adaptations import ADAPTATIONS, RAW, Compared, Scope, Singles, System, in_order
from pipeline_core.retrieval.adaptations.realign import MEMBER as REALIGN
from pipeline_core.settings import Section


def list_systems(scope: Scope) -> tuple[System, ...]:
    """Return the systems of an analysis; the first is ``raw``, the baseline of most comparisons."""
    return tuple(system for adaptation in in_order() for system in adaptation.of_analysis(scope))


def list_singles(scope: Scope) -> tuple[Singles, ...]:
    """Return what an analysis removes one at a time."""
    return tuple(alone for adaptation in in_order() for alone in adaptation.singles(scope))


def comparisons(systems: Sequence[System], settings: Section) -> list[Compared]:
    """Return the (system, baseline) pairs of an analysis that are tested.

    Each named system against raw; ReAlign against its rivals, because most of its gain is centring; and what
    adaptations compare among their own.
    """
    pairs = [(system, RAW) for system in systems if system.named and system.control == "none" and system != RAW]
    pairs += against_rivals(systems, settings)
    for adaptation in in_order():
        pairs += adaptation.pairs([system for system in systems if system.adaptation == adaptation.name])
    return pairs


def against_rivals(systems: Sequence[System], settings: Section) -> list[Compared]:
    """Return the pairs of ReAlign, at the paper's shrinkage, and each system of one study that is held against it."""
    return [
        (paper, rival)
        for paper in systems
        if REALIGN.is_papers(paper, settings)
        for rival in systems
        if rival.control == "none" and ADAPTATIONS[rival.adaptation].rivals(rival, paper)
    ]


def systems_table(model: str, rep_id: str, systems: Sequence[System], seed: int) -> pl.DataFrame:
    """Return the rows of table ``systems``; ``rep_id`` is the representation of those that name none."""
    rows = [
        {
            "system_id": system_id(model, system),
            "model": model,
            "study": system.study,
            "rep_ids": list(system.rep_ids or (rep_id,)),
            "mask": system.mask,
            "side": system.side,
            "adaptation": system.adaptation,
            "variant": system.variant,
            "fit_on": system.fit_on,
            "beta": system.beta,
            "eps": system.eps,
            "selection": system.selection,
            "sae_id": system.sae_id,
            "share": system.share,
            "n_features": system.n_features,
            "energy_ratio": system.energy_ratio,
            "rank": system.rank,
            "control": system.control,
            "named": system.named,
            "label": system.label,
            "method": system.method or system.label,
            "seed": seed,
        }
        for system in systems
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def adaptations_table() -> pl.DataFrame:
    """Return the rows of table ``adaptations``."""
    return pl.DataFrame(
        [
            {"adaptation": member.name, "label": member.label, "colour": member.colour, "place": member.place}
            for member in in_order()
        ]
    )


def system_id(model: str, system: System) -> str:
    """Return ``<model>/<short>``."""
    return f"{model}/{system.short}"
