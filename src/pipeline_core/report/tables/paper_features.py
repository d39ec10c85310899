"""The paper's numbers about features and cost, with this run's in their layout: Figures 2 and 3, Tables 1 and 7."""

from pipeline_core.report.facts import Facts
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.tables.paper_recall import OF_PAPER
from pipeline_core.report.tables.table import (
    NOTHING,
    Cell,
    Heading,
    ReportTable,
    count,
    over_seeds,
    printed,
    quantity,
    seeded,
)
from pipeline_core.report.text import number, percent

_SETS = {
    "energy_attribution": "J(energy;attribution)",
    "energy_bridge": "J(energy;bridge)",
    "attribution_bridge": "J(attribution;bridge)",
    "triple": "triple_overlap",
}
"""The paper's name of each overlap."""

_SET_WORDS = ("energy, attribution", "energy, bridge", "attribution, bridge", "all three")
_THIRDS = ("pictures", "both", "texts")


def density_table(inputs: ReportInputs, facts: Facts) -> ReportTable:
    """Return Figure 2 as numbers: shares of features and of energy by whom the features serve."""
    answer = facts.ask("paper/densities")
    found = {(row["sae_id"], row["served"]): row for row in answer.rows.iter_rows(named=True)}
    rows = [
        [
            Cell(sae_id),
            *(
                seeded(found.get((sae_id, third)), percent, name=name)
                for name in ("count", "energy")
                for third in _THIRDS
            ),
        ]
        for sae_id in _in_order(inputs, answer.rows["sae_id"].unique().to_list())
    ]
    return ReportTable(
        "densities",
        "Whom the features serve, as Figure 2",
        "Shares of the live features, and of the energy, in each third of the modality scores: below 1/3 pictures, "
        f"above 2/3 texts. The paper draws densities by count, without numbers.{over_seeds(answer)}",
        [
            Heading("SAE", numeric=False),
            *(Heading(third, small) for small in ("of the features", "of the energy") for third in _THIRDS),
        ],
        rows,
        (answer,),
    )


def energy_table(inputs: ReportInputs, facts: Facts) -> ReportTable:
    """Return Figure 3 as numbers: how few features hold the energy."""
    answer, paper = facts.ask("paper/energy"), facts.ask("paper/printed", item="Figure 3")
    found = {(row["sae_id"], row["energy_share"]): row for row in answer.rows.iter_rows(named=True)}
    levels = answer.rows["energy_share"].unique().sort().to_list()
    rows = [
        [Cell(sae_id), *(seeded(found.get((sae_id, level)), percent) for level in levels)]
        for sae_id in _in_order(inputs, answer.rows["sae_id"].unique().to_list())
    ]
    beside = [
        [
            Cell(row["model"], OF_PAPER),
            *(quantity(row["value"] / 100 if level == levels[-1] else None, _printed_share) for level in levels),
        ]
        for row in paper.rows.iter_rows(named=True)
    ]
    return ReportTable(
        "energy",
        "How few features hold the energy, as Figure 3",
        f"Share of all features that holds so much of the energy; dead features count among all.{over_seeds(answer)}",
        [Heading("SAE", numeric=False), *(Heading(f"{percent(level, 0)} of the energy") for level in levels)],
        rows,
        (answer, paper),
        beside,
    )


def overlap_table(inputs: ReportInputs, facts: Facts) -> ReportTable:
    """Return Table 1: overlaps of the top sets at every share and reduction of the bridge matrix."""
    answer, paper = facts.ask("paper/overlaps"), facts.ask("paper/printed", item="Table 1")
    found = {
        (row["sae_id"], row["share"], row["bridge_reduction"], row["sets"]): row
        for row in answer.rows.iter_rows(named=True)
    }
    sizes = {key[:3]: row["set_size"] for key, row in found.items()}
    order = _in_order(inputs, answer.rows["sae_id"].unique().to_list())
    rows = [
        [
            Cell(sae_id),
            quantity(share, percent),
            Cell(reduction.removeprefix("bridge_")),
            count(sizes[sae_id, share, reduction]),
            *(seeded(found.get((sae_id, share, reduction, sets)), "{:.3f}".format) for sets in _SETS),
        ]
        for sae_id, share, reduction in sorted(sizes, key=lambda key: (order.index(key[0]), *key[1:]))
    ]
    theirs = {(row["model"], row["quantity"]): row["value"] for row in paper.rows.iter_rows(named=True)}
    beside = [
        [
            Cell(model, OF_PAPER),
            quantity(0.01, percent),
            Cell("not given"),
            Cell(NOTHING),
            *(quantity(theirs[model, overlap], printed) for overlap in _SETS.values()),
        ]
        for model in dict.fromkeys(model for model, _ in theirs)
    ]
    return ReportTable(
        "overlaps",
        "Overlap of the top features by energy, attribution and bridge, as Table 1",
        "Jaccard index of the sets, 0 to 1, for each way to reduce the bridge matrix to one number a feature."
        f"{over_seeds(answer)}",
        [
            Heading("SAE", numeric=False),
            Heading("share"),
            Heading("bridge", numeric=False),
            Heading("features a set"),
            *(Heading(words) for words in _SET_WORDS),
        ],
        rows,
        (answer, paper),
        beside,
    )


def cost_table(inputs: ReportInputs, facts: Facts) -> ReportTable:
    """Return Table 7: time and memory of ReAlign beside those of one search."""
    answer, paper = facts.ask("paper/efficiency"), facts.ask("paper/printed", item="Table 7")
    measured = ("realign_ms", "realign_mib", "search_ms", "search_mib", "product_ms")
    rows = [
        [
            Cell(row["model"]),
            quantity(row["width"], str),
            count(row["n_candidates"]),
            count(row["n_queries"]),
            *(quantity(row[name], number) for name in measured),
        ]
        for model in inputs.models
        for row in answer.rows.filter(model=model.name).iter_rows(named=True)
    ]
    theirs = {(row["model"], row["setting"], row["quantity"]): row["value"] for row in paper.rows.iter_rows(named=True)}
    beside = [
        [
            Cell(model, OF_PAPER),
            quantity(theirs[model, "", "dimensions"], "{:.0f}".format),
            Cell("1M on a GPU", value=1_000_000),
            Cell(NOTHING),
            *(
                quantity(theirs[model, setting, measure], printed)
                for setting in ("ReAlign", "similarity search")
                for measure in ("time (ms)", "memory (MiB)")
            ),
            Cell(NOTHING),
        ]
        for model in dict.fromkeys(model for model, *_ in theirs)
    ]
    return ReportTable(
        "cost",
        "Cost of ReAlign beside that of one search, as Table 7",
        "Wall time and peak memory above what was held before, synthetic vectors of each model's width; ReAlign: "
        "statistics, decomposition and application to all candidates; search: exact, all queries at once; plain "
        "product: a matrix product and the best 10 of each row, the least that a search can do.",
        [
            Heading("model", numeric=False),
            Heading("width"),
            Heading("candidates"),
            Heading("queries"),
            Heading("ReAlign, ms"),
            Heading("ReAlign, MiB"),
            Heading("search, ms"),
            Heading("search, MiB"),
            Heading("plain product, ms"),
        ],
        rows,
        (answer, paper),
        beside,
    )


def _printed_share(share: float) -> str:
    return f"{printed(100 * share)}%"


def _in_order(inputs: ReportInputs, sae_ids: list[str]) -> list[str]:
    """Sort autoencoders as the models list them, the model studied first."""
    return sorted(sae_ids, key=inputs.sae_ids.index)
