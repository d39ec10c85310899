"""Tables of how the run itself went: autoencoders, index, contracts, stages."""

from collections.abc import Mapping
from typing import Any

from pipeline_core.report.facts import Answer
from pipeline_core.report.inputs import RunFacts
from pipeline_core.report.tables.table import Cell, Heading, ReportTable, count, listed, modality_words, quantity
from pipeline_core.report.text import number, percent


def reconstruction_table(answer: Answer) -> ReportTable:
    """Return how well the SAEs reconstruct (``reconstruction.sql``), and what they were trained on if on other data."""
    elsewhere = any(row["trained_on"] or row["left_out"] for row in answer.rows.iter_rows(named=True))
    origin = {
        Heading("trained on", numeric=False): lambda row: Cell(_trained_on(row)),
        Heading("FVU on what it has not seen of it"): lambda row: quantity(row["held_out_fvu"], number),
    }
    return listed(
        "reconstruction",
        "Sparse autoencoders: reconstruction",
        "Fraction of variance unexplained (FVU; 0 is perfect, 1 is no better than the mean vector) on the embeddings, "
        "beside the last step of training: a token-trained SAE meets pooled vectors only here.",
        answer,
        {
            Heading("SAE", numeric=False): lambda row: Cell(row["sae_id"]),
            Heading("embeddings", numeric=False): lambda row: Cell(modality_words(row["modality"])),
            Heading("number"): lambda row: count(row["n_vectors"]),
            Heading("FVU"): lambda row: quantity(row["fvu"], number),
            Heading("FVU in training"): lambda row: quantity(row["training_fvu"], number),
            Heading("cosine"): lambda row: quantity(row["cosine"], "{:.3f}".format),
            Heading("active features"): lambda row: quantity(row["l0"], "{:.1f}".format),
            Heading("dead features"): lambda row: quantity(row["dead_share"], percent),
            **(origin if elsewhere else {}),
        },
    )


def _trained_on(row: Mapping[str, Any]) -> str:
    left_out = f", but for tokens of {row['left_out']}" if row["left_out"] else ""
    return f"{row['trained_on'] or 'the data analysed'}{left_out}"


def index_table(answer: Answer) -> ReportTable:
    """Return the index's recall against exact search (``index_recall.sql``)."""
    worst = answer.rows["recall"].min()
    least = f" The least is {percent(float(worst))}." if isinstance(worst, float) else ""
    return listed(
        "index",
        "Vector index against exact search",
        f"Share of the exact first k that the index returned.{least}",
        answer,
        {
            Heading("embeddings", numeric=False): lambda row: Cell(row["adaptation"], row["model"]),
            Heading("task", numeric=False): lambda row: Cell(row["task_id"]),
            Heading("index", numeric=False): lambda row: Cell(row["kind"]),
            Heading("k"): lambda row: count(row["k"]),
            Heading("recall"): lambda row: quantity(row["recall"], percent),
            Heading("queries"): lambda row: count(row["n_queries"]),
        },
    )


def contract_table(answer: Answer) -> ReportTable:
    """Return the outcome of the data contracts by table (``contracts.sql``)."""
    held, total = int(answer.rows["n_held"].sum()), int(answer.rows["n_expectations"].sum())
    return listed(
        "contracts",
        "Data contracts",
        f"{held:,} of {total:,} expectations held; a critical one that fails publishes nothing.",
        answer,
        {
            Heading("table", numeric=False): lambda row: Cell(row["table_name"]),
            Heading("expectations"): lambda row: count(row["n_expectations"]),
            Heading("held"): lambda row: count(row["n_held"]),
            Heading("failed", numeric=False): lambda row: Cell(row["failed"] or "none"),
        },
    )


def stage_table(run: RunFacts) -> ReportTable:
    """Return the stages of the run."""
    slowest = max((s for s in run.stages if s.seconds is not None), key=lambda s: s.seconds or 0.0, default=None)
    statement = f"The longest was {slowest.name}, {slowest.seconds:.1f} s." if slowest else "No times were recorded."
    return ReportTable(
        "stages",
        "Stages",
        f"Seconds that each artifact took to build, in whichever run built it. {statement}",
        [Heading("stage", numeric=False), Heading("seconds"), Heading("artifact", numeric=False)],
        [[Cell(fact.name), quantity(fact.seconds, "{:.1f}".format), Cell(fact.fingerprint)] for fact in run.stages],
        (),
    )
