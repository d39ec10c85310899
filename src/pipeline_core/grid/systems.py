"""What the grid scores and compares: layers, poolings and masks by few adaptations, one representation by all."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import polars as pl

from pipeline_core.retrieval.adaptations import Compared, Scope, Swept, System, in_order
from pipeline_core.retrieval.systems import against_rivals
from pipeline_core.settings import Section

MASK_LABELS = {
    "all": "all tokens",
    "no_image": "without image tokens",
    "no_prompt": "without instruction",
    "content": "content alone",
}


@dataclass(frozen=True)
class GridSystems:
    """The systems of each study; ``analysed`` is the analysis layer pooled as all are, ``None`` of a dual encoder.

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


def list_grid(representations: pl.DataFrame, rep_id: str, scope: Scope, swept: Swept) -> GridSystems:
    """List what is scored.

    Args:
        representations: the table of an activations artifact, of one model.
        rep_id: the representation that every adaptation is tried on.
        scope: width of the representation, and the configured parameters.
        swept: what is tried beside them.
    """
    # A dual encoder has one representation, of no layer: nothing is there to sweep but adaptations.
    stored = representations.filter(pl.col("layer") >= 0)
    elsewhere = stored.filter(~pl.col("at_analysis_layer"))["pooling"]
    layers = stored.filter(pooling=elsewhere[0] if len(elsewhere) else "mean", mask="all").sort("layer")
    here = stored.filter("at_analysis_layer").sort("pooling", "mask")
    analysed = layers.filter("at_analysis_layer")["rep_id"].to_list()
    upper = layers.filter(pl.col("layer") * 2 > pl.col("layer").max())["rep_id"].to_list()
    few = [system for adaptation in in_order() for system in adaptation.of_place(scope)]
    every = [system for adaptation in in_order() for system in adaptation.of_grid(scope, swept)]
    averaging = [system for adaptation in in_order() for system in adaptation.of_layers(scope, swept)] if upper else ()
    return GridSystems(
        tuple(
            system
            for layer, rep in layers.select("layer", "rep_id").iter_rows()
            for system in _placed(few, "layers", (rep,), f"L{layer}", f"layer {layer}, ")
        ),
        tuple(
            system
            for pooling, mask, rep in here.select("pooling", "mask", "rep_id").iter_rows()
            for system in _placed(
                few, "poolings", (rep,), f"{pooling}-{mask}", f"{pooling} pooling, {MASK_LABELS[mask]}, "
            )
        ),
        _placed(every, "adaptations", (rep_id,), "adaptations"),
        _placed(averaging, "adaptations", tuple(upper), "adaptations"),
        analysed[0] if analysed else None,
    )


def compared(systems: GridSystems, representations: pl.DataFrame, settings: Section) -> list[Compared]:
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
    means = representations.filter("at_analysis_layer", pooling="mean", mask="all")["rep_id"]
    for system, mean in _beside(systems.poolings, means[0] if len(means) else None):
        pooling, mask = poolings[system.rep_ids[0]]
        if pooling != "mean" and mask == "all":
            pairs.append((mean, system))
        elif pooling == "mean" and mask != "all":
            pairs.append((system, mean))
    raw, *adapted = (*systems.adaptations, *systems.combined)
    return [*pairs, *((system, raw) for system in adapted), *against_rivals(adapted, settings)]


def _beside(systems: Sequence[System], analysed: str | None) -> list[Compared]:
    """Pair each system with that of the analysed representation under the same adaptation."""
    baselines = {(s.adaptation, s.fit_on): s for s in systems if s.rep_ids == (analysed,)}
    return [(system, baselines[system.adaptation, system.fit_on]) for system in systems]


def _placed(
    systems: Iterable[System], study: str, rep_ids: tuple[str, ...], place: str, label: str = ""
) -> tuple[System, ...]:
    return tuple(
        replace(
            system,
            short=f"{place}/{system.short}",
            label=f"{label}{system.label}",
            method=system.method or system.label,
            study=study,
            rep_ids=rep_ids,
            named=False,
        )
        for system in systems
    )
