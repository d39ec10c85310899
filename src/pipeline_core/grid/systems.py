"""What the grid scores and compares: layers, poolings and masks by few adaptations, one representation by all."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from pipeline_core.activations.derived import NO_WORDS, WORDLESS
from pipeline_core.retrieval.adaptations import Compared, Scope, Swept, System, in_order
from pipeline_core.retrieval.systems import against_rivals
from pipeline_core.settings import Section

MASK_LABELS = {
    "all": "all tokens",
    "no_image": "without image tokens",
    "no_prompt": "without instruction",
    "content": "content alone",
    NO_WORDS: "without the user's text",
}

MASKED = (*(mask for mask in WORDLESS if mask != "all"), NO_WORDS)
"""What the study of masks leaves out, on one side or on both."""


@dataclass(frozen=True)
class GridSystems:
    """The systems of each study; ``analysed`` is the analysis layer pooled as all are, ``None`` of a dual encoder.

    ``combined`` are those of the study of adaptations that average several layers. ``means`` are the stored means of
    the analysis layer by mask, which the study of masks reads.
    """

    layers: tuple[System, ...]
    poolings: tuple[System, ...]
    masks: tuple[System, ...]
    adaptations: tuple[System, ...]
    combined: tuple[System, ...]
    analysed: str | None
    means: Mapping[str, str]

    @property
    def all(self) -> tuple[System, ...]:
        """Every system."""
        return (*self.layers, *self.poolings, *self.masks, *self.adaptations, *self.combined)


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
    means = dict(here.filter(pooling="mean").select("mask", "rep_id").iter_rows())
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
                [replace(system, mask=mask, side="both") for system in few],
                "poolings",
                (rep,),
                f"{pooling}-{mask}",
                f"{pooling} pooling, {MASK_LABELS[mask]}, ",
            )
        ),
        tuple(_masked(few, means)) if means.keys() >= WORDLESS.keys() else (),
        _placed(every, "adaptations", (rep_id,), "adaptations"),
        _placed(averaging, "adaptations", tuple(upper), "adaptations"),
        analysed[0] if analysed else None,
        means,
    )


def _masked(few: Sequence[System], means: Mapping[str, str]) -> Iterator[System]:
    """Yield the systems of the study of masks: one side masked, or both where the study of poolings lacks the mask."""
    for mask in MASKED:
        own, whole = means.get(mask, mask), means["all"]
        for side, words, reads in (
            ("queries", "queries", (own, whole)),
            ("candidates", "candidates", (whole, own)),
            ("both", "both sides", (own, own)),
        ):
            if side == "both" and mask in means:
                continue
            masked = [replace(system, mask=mask, side=side, reads=reads) for system in few]
            label = f"{words} {MASK_LABELS[mask]}, "
            yield from _placed(masked, "masks", (means.get(mask, means["all"]),), f"{mask}-{side}", label)


def compared(systems: GridSystems, representations: pl.DataFrame, settings: Section) -> list[Compared]:
    """Return the (system, baseline) pairs that are tested.

    Each layer against the analysis layer. Mean pooling against each other pooling of all tokens, and each mask of mean
    pooling, on both sides or on one, against all tokens. Each adaptation against raw, and ReAlign at the paper's beta
    against each rival that was fitted on the same statistics. Layers, poolings and masks are compared under the same
    adaptation.
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
    pairs += _beside(systems.masks, systems.analysed, systems.poolings)
    raw, *adapted = (*systems.adaptations, *systems.combined)
    return [*pairs, *((system, raw) for system in adapted), *against_rivals(adapted, settings)]


def _beside(systems: Sequence[System], analysed: str | None, among: Sequence[System] | None = None) -> list[Compared]:
    """Pair each system with that of the analysed representation under its adaptation, ``among`` others if given."""
    among = systems if among is None else among
    baselines = {(s.adaptation, s.fit_on): s for s in among if s.rep_ids == (analysed,)}
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
