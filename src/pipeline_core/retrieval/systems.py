"""Which systems are scored: raw embeddings, each adaptation by what it is fitted on, removals with their controls."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from pipeline_core.activations.vectors import Matrix
from pipeline_core.config import RetrievalConfig
from pipeline_core.retrieval.removal import RemovalPlan

CONTROL_LABELS = {
    "energy_matched": "random features of {energy:.0%} the energy removed",
    "random_features": "random features removed",
    "random_subspace": "random subspace removed",
    "principal_components": "top principal components removed",
}
"""Controls of removal by attribution, all of its rank."""


@dataclass(frozen=True)
class System:
    """One row of the table ``systems``; ``short`` is the system's id within its model.

    ``rep_ids`` are given where a stage scores several representations; elsewhere it is the one of the stage.
    """

    short: str
    adaptation: str
    label: str
    variant: str | None = None
    fit_on: str | None = None
    beta: float | None = None
    eps: float | None = None
    selection: str | None = None
    sae_id: str | None = None
    share: float | None = None
    rank: int | None = None
    n_features: int | None = None
    control: str = "none"
    named: bool = True
    study: str = "main"
    rep_ids: tuple[str, ...] = ()


PCA_SHARES = (8, 4, 2)
"""Truncated PCA keeps the width over each of these: the fewest dimensions first."""

RAW = System("raw", "identity", "raw")


def list_systems(config: RetrievalConfig, plans: Sequence[RemovalPlan], width: int) -> tuple[System, ...]:
    """Return the systems of one model of the given width d; the first is ``raw``, the baseline of most comparisons."""
    eps, beta = config.eps, config.beta
    return (
        RAW,
        System("mean_removal", "mean_removal", "mean removed", fit_on="candidates"),
        System("mean_removal-support", "mean_removal", "mean removed, support statistics", fit_on="support"),
        System("realign", "realign", "ReAlign", "text", "candidates", beta, eps),
        System("realign-support", "realign", "ReAlign, support statistics", "text", "support", beta, eps),
        System(
            "realign-code-transductive",
            "realign",
            "ReAlign as released (transductive)",
            "code",
            "test_queries",
            beta,
            eps,
        ),
        System("zca", "zca", "ZCA whitening", fit_on="candidates", beta=0.0, eps=eps),
        System("pca", "pca", "PCA whitening", fit_on="candidates", eps=eps),
        *_joint_pca(width, eps),
        System(
            "realign-shuffled_pairs",
            "realign",
            "ReAlign, pairs shuffled",
            "text",
            "candidates",
            beta,
            eps,
            control="shuffled_pairs",
        ),
        *(system for plan in plans for system in _removals(plan)),
    )


def single_removal(plan: RemovalPlan) -> System:
    """Return the system that stands for removing one feature at a time; its effects are in ``removal_effects``."""
    label = f"one feature removed ({_recipe(plan)})"
    return System(
        f"removal-{_recipe(plan)}-single", "removal", label, selection="single", sae_id=plan.sae_id, rank=1, named=False
    )


def comparisons(systems: Sequence[System]) -> list[tuple[System, System]]:
    """Return the (system, baseline) pairs that are tested.

    Each named system against raw; ReAlign against mean removal on the same statistics, because most of its gain is
    centring, and against PCA under joint statistics at every rank, the fair form of that baseline; removal by
    attribution against each of its controls.
    """
    pairs = [(system, RAW) for system in systems if system.named and system.control == "none" and system != RAW]
    by_short = {system.short: system for system in systems}
    pairs += [
        (by_short["realign"], by_short["mean_removal"]),
        (by_short["realign-support"], by_short["mean_removal-support"]),
    ]
    pairs += [
        (by_short["realign"], system) for system in systems if system.adaptation == "pca" and system.fit_on == "joint"
    ]
    removals = [system for system in systems if system.adaptation == "removal"]
    return pairs + [
        (system, control)
        for system in removals
        for control in removals
        if system.selection == "attribution" and control.selection in CONTROL_LABELS and control.sae_id == system.sae_id
    ]


def removal_bases(plans: Iterable[RemovalPlan]) -> dict[str, Matrix]:
    """Return what each removal of ``list_systems`` projects out, by its short id; principal components are fitted."""
    return {_removal_id(plan, selection): basis for plan in plans for selection, basis in plan.bases.items()}


def systems_table(model: str, rep_id: str, systems: Sequence[System], seed: int) -> pl.DataFrame:
    """Return the rows of table ``systems``; ``rep_id`` is the representation of those that name none."""
    rows = [
        {
            "system_id": system_id(model, system),
            "model": model,
            "study": system.study,
            "rep_ids": list(system.rep_ids or (rep_id,)),
            "adaptation": system.adaptation,
            "variant": system.variant,
            "fit_on": system.fit_on,
            "beta": system.beta,
            "eps": system.eps,
            "selection": system.selection,
            "sae_id": system.sae_id,
            "share": system.share,
            "n_features": system.n_features,
            "rank": system.rank,
            "control": system.control,
            "named": system.named,
            "label": system.label,
            "seed": seed,
        }
        for system in systems
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def system_id(model: str, system: System) -> str:
    """Return ``<model>/<short>``."""
    return f"{model}/{system.short}"


def _joint_pca(width: int, eps: float) -> list[System]:
    """PCA whitening in one basis for both sides, of all dimensions (the cosines of joint ZCA) and truncated."""
    label = "PCA whitening, joint statistics"
    ranks = sorted({max(1, width // share) for share in PCA_SHARES})
    return [
        System("pca-joint", "pca", label, fit_on="joint", eps=eps, named=False),
        *(
            System(
                f"pca-joint-r{rank}", "pca", f"{label}, rank {rank}", fit_on="joint", eps=eps, rank=rank, named=False
            )
            for rank in ranks
        ),
    ]


def _removals(plan: RemovalPlan) -> list[System]:
    recipe = _recipe(plan)
    labels = {"attribution": f"top attribution features removed ({recipe})"} | {
        selection: f"{label.format(energy=plan.matched_energy)} ({recipe})"
        for selection, label in CONTROL_LABELS.items()
    }
    return [
        System(
            _removal_id(plan, selection),
            "removal",
            label,
            fit_on="support" if selection == "principal_components" else None,
            selection=selection,
            sae_id=plan.sae_id,
            share=plan.share,
            rank=plan.rank,
            named=selection == "attribution",
        )
        for selection, label in labels.items()
    ]


def _removal_id(plan: RemovalPlan, selection: str) -> str:
    return f"removal-{_recipe(plan)}" + ("" if selection == "attribution" else f"-{selection}")


def _recipe(plan: RemovalPlan) -> str:
    return plan.sae_id.rpartition("/")[2]
