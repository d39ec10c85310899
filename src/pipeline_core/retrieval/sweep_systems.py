"""What the sweep scores and compares: layers, poolings and masks by few adaptations, one representation by all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipeline_core.config import RetrievalConfig, SweepConfig
from pipeline_core.retrieval.systems import System

MASK_LABELS = {
    "all": "all tokens",
    "no_image": "without image tokens",
    "no_prompt": "without instruction",
    "content": "content alone",
}
STATISTICS = {
    "candidates": "candidate statistics",
    "support": "support statistics",
    "joint": "joint statistics",
    "test_queries": "statistics of the queries asked (transductive)",
}
RIVALS = frozenset({"ledoit_wolf", "oas", "transport"})
"""Label-free adaptations beside the paper's."""

SEPARATE = ("candidates", "support")
ALL_STATISTICS = (*SEPARATE, "joint")


@dataclass(frozen=True)
class SweepSystems:
    """The systems of each study; ``analysed`` is the analysis layer's mean over all tokens, ``None`` of a dual encoder.

    ``combined`` are those of the study of adaptations that average several layers.
    """

    layers: tuple[System, ...]
    poolings: tuple[System, ...]
    adaptations: tuple[System, ...]
    combined: tuple[System, ...]
    analysed: str | None

    @property
    def all(self) -> tuple[System, ...]:
        """Every system."""
        return (*self.layers, *self.poolings, *self.adaptations, *self.combined)

    def by_representation(self) -> dict[str, list[System]]:
        """Return, for each representation to be read, the systems that score it alone; those of the layers first."""
        groups: dict[str, list[System]] = {}
        for system in (*self.layers, *self.poolings, *self.adaptations):
            groups.setdefault(system.rep_ids[0], []).append(system)
        return groups


def list_sweep(
    representations: pl.DataFrame, rep_id: str, width: int, retrieval: RetrievalConfig, config: SweepConfig
) -> SweepSystems:
    """List what is scored.

    Args:
        representations: the table of an activations artifact, of one model.
        rep_id: the representation that every adaptation is tried on.
        width: its dimensions, above which no rank of PCA is tried.
        retrieval: ReAlign's beta and eps.
        config: betas and ranks.
    """
    # A dual encoder has one representation, of no layer: nothing is there to sweep but adaptations.
    stored = representations.filter(pl.col("layer") >= 0)
    layers = stored.filter(pooling="mean", mask="all").sort("layer")
    here = stored.filter("at_analysis_layer").sort("pooling", "mask")
    analysed = layers.filter("at_analysis_layer")["rep_id"].to_list()
    upper = layers.filter(pl.col("layer") * 2 > pl.col("layer").max())["rep_id"].to_list()
    return SweepSystems(
        tuple(
            system
            for layer, rep in layers.select("layer", "rep_id").iter_rows()
            for system in _few("layers", rep, f"L{layer}", f"layer {layer}", retrieval)
        ),
        tuple(
            system
            for pooling, mask, rep in here.select("pooling", "mask", "rep_id").iter_rows()
            for system in _few(
                "poolings", rep, f"{pooling}-{mask}", f"{pooling} pooling, {MASK_LABELS[mask]}", retrieval
            )
        ),
        _adaptations(rep_id, width, retrieval, config),
        _layer_averages(upper, retrieval, config) if upper else (),
        analysed[0] if analysed else None,
    )


def compared(
    systems: SweepSystems, representations: pl.DataFrame, retrieval: RetrievalConfig
) -> list[tuple[System, System]]:
    """Return the (system, baseline) pairs that are tested.

    Each layer against the analysis layer. Mean pooling against each other pooling of all tokens, and each mask of mean
    pooling against all tokens. Each adaptation against raw, and ReAlign at the paper's beta against each rival that was
    fitted on the same statistics. Layers, poolings and masks are compared under the same adaptation.
    """
    poolings = {rep: (pooling, mask) for rep, pooling, mask in representations["rep_id", "pooling", "mask"].iter_rows()}
    pairs = [
        (system, baseline)
        for system, baseline in _beside(systems.layers, systems.analysed)
        if system.rep_ids != baseline.rep_ids
    ]
    for system, mean in _beside(systems.poolings, systems.analysed):
        pooling, mask = poolings[system.rep_ids[0]]
        if pooling != "mean" and mask == "all":
            pairs.append((mean, system))
        elif pooling == "mean" and mask != "all":
            pairs.append((system, mean))
    raw, *adapted = (*systems.adaptations, *systems.combined)
    pairs += [(system, raw) for system in adapted]
    return pairs + [
        (paper, rival)
        for paper in systems.adaptations
        for rival in adapted
        if _is_papers(paper, retrieval) and _is_rival(rival) and rival.fit_on == paper.fit_on
    ]


def _beside(systems: Sequence[System], analysed: str | None) -> list[tuple[System, System]]:
    """Pair each system with that of the analysed representation under the same adaptation."""
    baselines = {(s.adaptation, s.fit_on): s for s in systems if s.rep_ids == (analysed,)}
    return [(system, baselines[system.adaptation, system.fit_on]) for system in systems]


def _is_papers(system: System, retrieval: RetrievalConfig) -> bool:
    return system.variant == "text" and system.beta == retrieval.beta


def _is_rival(system: System) -> bool:
    """Say whether ReAlign is held against a system: PCA in one basis for both sides only, the fair form."""
    if system.adaptation == "pca":
        return system.fit_on == "joint"
    return system.adaptation in RIVALS | {"zca", "mean_removal"} or len(system.rep_ids) > 1


def _few(study: str, rep_id: str, place: str, label: str, retrieval: RetrievalConfig) -> list[System]:
    """The adaptations that every layer, pooling and mask is scored with."""
    shared: dict[str, Any] = {"study": study, "rep_ids": (rep_id,), "named": False}
    realign: dict[str, Any] = {"variant": "text", "beta": retrieval.beta, "eps": retrieval.eps, **shared}
    return [
        System(f"{place}/raw", "identity", f"{label}, raw", **shared),
        _fitted(f"{place}/mean_removal", "mean_removal", f"{label}, mean removed", "support", shared),
        *(_fitted(f"{place}/realign", "realign", f"{label}, ReAlign", fit_on, realign) for fit_on in SEPARATE),
    ]


def _adaptations(rep_id: str, width: int, retrieval: RetrievalConfig, config: SweepConfig) -> tuple[System, ...]:
    shared: dict[str, Any] = {"study": "adaptations", "rep_ids": (rep_id,), "named": False}
    whitening: dict[str, Any] = {"eps": retrieval.eps, **shared}
    betas = sorted({*config.betas, retrieval.beta})
    rows: list[tuple[str, str, str, Sequence[str], Mapping[str, Any]]] = [
        ("mean_removal", "mean_removal", "mean removed", ALL_STATISTICS, shared)
    ]
    for beta in betas:
        realign = {"beta": beta, **whitening}
        rows += [
            (f"realign-b{beta:g}", "realign", f"ReAlign, beta {beta:g}", ALL_STATISTICS, {"variant": "text"} | realign),
            (
                f"realign-code-b{beta:g}",
                "realign",
                f"ReAlign as released, beta {beta:g}",
                ("support", "test_queries"),
                {"variant": "code"} | realign,
            ),
        ]
    rows += [
        ("zca", "zca", "ZCA whitening", ALL_STATISTICS, {"beta": 0.0} | whitening),
        ("pca", "pca", "PCA whitening", ALL_STATISTICS, whitening),
    ]
    rows += [
        (f"pca-r{rank}", "pca", f"PCA whitening, rank {rank}", ("joint",), {"rank": rank} | whitening)
        for rank in sorted(set(config.pca_ranks))
        if rank < width
    ]
    rows += [
        ("ledoit_wolf", "ledoit_wolf", "Ledoit-Wolf shrinkage", ALL_STATISTICS, shared),
        ("oas", "oas", "OAS shrinkage", ALL_STATISTICS, shared),
    ]
    rows += [
        (f"transport-b{beta:g}", "transport", f"optimal transport, beta {beta:g}", SEPARATE, {"beta": beta} | shared)
        for beta in _rival_betas(retrieval, config)
    ]
    return (
        System("adaptations/raw", "identity", "raw", **shared),
        *(
            _fitted(f"adaptations/{short}", adaptation, label, fit_on, fields)
            for short, adaptation, label, statistics, fields in rows
            for fit_on in statistics
        ),
    )


def _layer_averages(layers: Sequence[str], retrieval: RetrievalConfig, config: SweepConfig) -> tuple[System, ...]:
    """ReAlign of each layer and side by itself, cosines averaged; neither the paper's text nor its code has it."""
    shared: dict[str, Any] = {"study": "adaptations", "rep_ids": tuple(layers), "named": False, "eps": retrieval.eps}
    return tuple(
        _fitted(
            f"adaptations/layer_average-b{beta:g}",
            "realign",
            f"ReAlign averaged over the upper half of the layers, beta {beta:g}",
            fit_on,
            {"beta": beta} | shared,
        )
        for beta in _rival_betas(retrieval, config)
        for fit_on in SEPARATE
    )


def _rival_betas(retrieval: RetrievalConfig, config: SweepConfig) -> list[float]:
    return sorted({retrieval.beta, config.layer_average_beta})


def _fitted(short: str, adaptation: str, label: str, fit_on: str, fields: Mapping[str, Any]) -> System:
    """A system whose id and label end in what it is fitted on."""
    ending = "transductive" if fit_on == "test_queries" else fit_on
    return System(f"{short}-{ending}", adaptation, f"{label}, {STATISTICS[fit_on]}", fit_on=fit_on, **fields)
