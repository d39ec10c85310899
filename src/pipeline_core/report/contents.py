"""The paper's figures and tables with their counterparts in this report, or the reason why there is none."""

from collections.abc import Collection
from dataclasses import dataclass

from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.verdicts import ClaimVerdict, Verdicts

SWEEP = "lens sweep"
"""The command that measures what an analysis leaves out."""


@dataclass(frozen=True)
class Counterpart:
    """A place in the report, and what is there in a few words."""

    anchor: str
    words: str


@dataclass(frozen=True)
class Item:
    """A figure or table of the paper: what it shows, the claim that it supports, where the report shows the same."""

    name: str
    shows: str
    claim: int
    counterparts: tuple[Counterpart, ...]
    swept: bool = False


@dataclass(frozen=True)
class Row:
    """An item as it is here: the counterparts that exist; ``missing`` is the reason where there are none."""

    item: Item
    claim: ClaimVerdict
    counterparts: tuple[Counterpart, ...]
    missing: str = ""


def _item(name: str, shows: str, claim: int, swept: bool = False, **places: str) -> Item:
    found = (Counterpart(place.replace("_", "-"), words) for place, words in places.items())
    return Item(name, shows, claim, tuple(found), swept)


ITEMS = (
    _item(
        "Figure 1",
        "composed retrieval: generative models far below a small contrastive one",
        1,
        table_composed="composed queries by model",
        figure_recall="recall by task",
    ),
    _item(
        "Figure 2",
        "densities of modality scores",
        2,
        figure_density="densities by count and by energy",
        table_densities="as numbers",
    ),
    _item("Figure 3", "cumulative energy of features", 3, figure_energy="cumulative energy", table_energy="as numbers"),
    _item(
        "Figure 4",
        "recall without image tokens, without prompt tokens",
        5,
        swept=True,
        figure_poolings="masks by pooling, and on composed queries",
    ),
    _item("Figure 5", "recall by layer", 12, swept=True, figure_layers="recall by layer"),
    _item("Figure 6", "recall by shrinkage beta", 8, swept=True, figure_beta="recall by beta"),
    _item("Table 1", "overlap of the top-1% sets by energy, bridge and attribution", 4, table_overlaps="overlaps"),
    _item(
        "Table 2",
        "recall with the top-attribution features removed",
        6,
        table_removal_recall="recall before and after",
        figure_removal="dose response",
        table_removal="controls and tests",
    ),
    _item(
        "Tables 3 and 9",
        "zero-shot recall on every task, raw and with ReAlign",
        7,
        table_zero_shot="every task",
        figure_recall="recall by task",
    ),
    _item("Table 4", "fine-tuned embedders beside ReAlign", 10, table_fine_tuned="fine-tuned embedders"),
    _item(
        "Table 5",
        "poolings: mean, last token, max, min",
        11,
        swept=True,
        table_poolings="recall by pooling",
        figure_poolings="grid of poolings and masks",
    ),
    _item(
        "Table 7",
        "time and memory of ReAlign and of search",
        9,
        swept=True,
        table_cost="time and memory",
        figure_cost="by number of candidates",
    ),
    _item(
        "Table 8",
        "PCA and ZCA whitening beside ReAlign",
        8,
        swept=True,
        table_whitening="whitenings and their rivals",
        figure_beta="by beta",
    ),
    _item(
        "Attention maps",
        "where the model looks",
        13,
        swept=True,
        figure_maps="maps over pictures",
        figure_attention="mass by layer",
        figure_quadrants="on art in a known quadrant",
    ),
)
"""Everything in the paper that shows numbers or pictures, in its order."""


def contents(inputs: ReportInputs, verdicts: Verdicts, anchors: Collection[str]) -> tuple[Row, ...]:
    """Return the paper's items with the counterparts among the report's ``anchors``."""
    return tuple(_row(inputs, item, verdicts.of(item.claim), anchors) for item in ITEMS)


def shown_in(rows: Collection[Row]) -> dict[int, tuple[Counterpart, ...]]:
    """Return, for each claim of the paper's items, the places in the report that show what it is about, each once."""
    found: dict[int, dict[str, Counterpart]] = {}
    for row in rows:
        places = found.setdefault(row.item.claim, {})
        for place in row.counterparts:
            places.setdefault(place.anchor, place)
    return {claim: tuple(places.values()) for claim, places in found.items()}


def _row(inputs: ReportInputs, item: Item, claim: ClaimVerdict, anchors: Collection[str]) -> Row:
    found = tuple(place for place in item.counterparts if place.anchor in anchors)
    if found:
        return Row(item, claim, found)
    if item.swept and inputs.studied.sweep is None:
        return Row(item, claim, (), f"not in this run: {SWEEP}")
    reasons = (part.why_missing for part in claim.parts if part.why_missing)
    return Row(item, claim, (), f"not measurable here: {next(reasons, 'this run holds nothing to measure it on')}")
