"""The paper's figures and tables with their counterparts in this report, or the reason why there is none."""

from collections.abc import Collection
from dataclasses import dataclass

from pipeline_core.report.figures import in_order
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.verdicts import ClaimVerdict, Verdicts

SWEEP = "lens sweep"
"""The command that measures what an analysis leaves out."""


@dataclass(frozen=True)
class Counterpart:
    """A place in the report, and what is there in a few words."""

    anchor: str
    words: str


FIGURES_HERE = None
"""Stands among the counterparts of an item for the report's figures that say to be one, in their order."""


@dataclass(frozen=True)
class PaperItem:
    """A figure or table of the paper: what it shows, the claim that it supports, where the report shows the same."""

    name: str
    shows: str
    claim: int
    places: tuple[Counterpart | None, ...]
    swept: bool = False

    @property
    def counterparts(self) -> tuple[Counterpart, ...]:
        """The places in the report, those of figures as the figures say."""
        figures = tuple(
            Counterpart(figure.anchor, words)
            for figure in in_order()
            for name, words in figure.paper
            if name == self.name
        )
        found = ((place,) if place is not None else figures for place in self.places)
        return tuple(place for places in found for place in places)


@dataclass(frozen=True)
class Row:
    """An item as it is here: the counterparts that exist; ``missing`` is the reason where there are none."""

    item: PaperItem
    claim: ClaimVerdict
    counterparts: tuple[Counterpart, ...]
    missing: str = ""


def _table(name: str, words: str) -> Counterpart:
    return Counterpart(f"table-{name}", words)


ITEMS = (
    PaperItem(
        "Figure 1",
        "composed retrieval: generative models far below a small contrastive one",
        1,
        (_table("composed", "composed queries by model"), FIGURES_HERE),
    ),
    PaperItem("Figure 2", "densities of modality scores", 2, (FIGURES_HERE, _table("densities", "as numbers"))),
    PaperItem("Figure 3", "cumulative energy of features", 3, (FIGURES_HERE, _table("energy", "as numbers"))),
    PaperItem("Figure 4", "recall without image tokens, without prompt tokens", 5, (FIGURES_HERE,), swept=True),
    PaperItem("Figure 5", "recall by layer", 12, (FIGURES_HERE,), swept=True),
    PaperItem("Figure 6", "recall by shrinkage beta", 8, (FIGURES_HERE,), swept=True),
    PaperItem(
        "Table 1",
        "overlap of the top-1% sets by energy, bridge and attribution",
        4,
        (_table("overlaps", "overlaps"), FIGURES_HERE),
    ),
    PaperItem(
        "Table 2",
        "recall with the top-attribution features removed",
        6,
        (_table("removal-recall", "recall before and after"), FIGURES_HERE, _table("removal", "controls and tests")),
    ),
    PaperItem(
        "Tables 3 and 9",
        "zero-shot recall on every task, raw and with ReAlign",
        7,
        (_table("zero-shot", "every task"), FIGURES_HERE),
    ),
    PaperItem(
        "Table 4",
        "fine-tuned embedders beside ReAlign",
        10,
        (_table("fine-tuned", "fine-tuned embedders"), FIGURES_HERE),
    ),
    PaperItem(
        "Table 5",
        "poolings: mean, last token, max, min",
        11,
        (_table("poolings", "recall by pooling"), FIGURES_HERE),
        swept=True,
    ),
    PaperItem(
        "Table 7",
        "time and memory of ReAlign and of search",
        9,
        (_table("cost", "time and memory"), FIGURES_HERE),
        swept=True,
    ),
    PaperItem(
        "Table 8",
        "PCA and ZCA whitening beside ReAlign",
        8,
        (_table("whitening", "whitenings and their rivals"), FIGURES_HERE),
        swept=True,
    ),
    PaperItem("Attention maps", "where the model looks", 13, (FIGURES_HERE,), swept=True),
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


def _row(inputs: ReportInputs, item: PaperItem, claim: ClaimVerdict, anchors: Collection[str]) -> Row:
    found = tuple(place for place in item.counterparts if place.anchor in anchors)
    if found:
        return Row(item, claim, found)
    if item.swept and not inputs.has("grid", inputs.studied.name):
        return Row(item, claim, (), f"not in this run: {SWEEP}")
    needs = (part.needs for part in claim.parts if part.needs)
    return Row(item, claim, (), f"not measurable here: needs {next(needs, 'numbers that this run does not hold')}")
