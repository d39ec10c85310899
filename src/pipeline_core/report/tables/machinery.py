"""Tables of how the run itself went: autoencoders, index, contracts, stages."""

from pipeline_core.report.facts import Answer
from pipeline_core.report.inputs import RunFacts
from pipeline_core.report.tables.table import Cell, Heading, Table, count, modality_words, quantity
from pipeline_core.report.text import number, percent


def reconstruction_table(answer: Answer) -> Table:
    """Return how well the SAEs reconstruct (``reconstruction.sql``)."""
    return Table(
        "reconstruction",
        "Sparse autoencoders: reconstruction",
        "Fraction of variance unexplained (FVU; 0 is perfect, 1 is no better than the mean vector) on the embeddings, "
        "beside the last step of training: a token-trained SAE meets pooled vectors only here.",
        [
            Heading("SAE", numeric=False),
            Heading("embeddings", numeric=False),
            Heading("number"),
            Heading("FVU"),
            Heading("FVU in training"),
            Heading("cosine"),
            Heading("active features"),
            Heading("dead features"),
        ],
        [
            [
                Cell(row["sae_id"]),
                Cell(modality_words(row["modality"])),
                count(row["n_vectors"]),
                quantity(row["fvu"], number),
                quantity(row["training_fvu"], number),
                quantity(row["cosine"], "{:.3f}".format),
                quantity(row["l0"], "{:.1f}".format),
                quantity(row["dead_share"], percent),
            ]
            for row in answer.rows.iter_rows(named=True)
        ],
        (answer,),
    )


def index_table(answer: Answer) -> Table:
    """Return the index's recall against exact search (``index_recall.sql``)."""
    worst = answer.rows["recall"].min()
    least = f" The least is {percent(float(worst))}." if isinstance(worst, float) else ""
    return Table(
        "index",
        "Vector index against exact search",
        f"Share of the exact first k that the index returned.{least}",
        [
            Heading("embeddings", numeric=False),
            Heading("task", numeric=False),
            Heading("index", numeric=False),
            Heading("k"),
            Heading("recall"),
            Heading("queries"),
        ],
        [
            [
                Cell(row["adaptation"], row["model"]),
                Cell(row["task_id"]),
                Cell(row["kind"]),
                count(row["k"]),
                quantity(row["recall"], percent),
                count(row["n_queries"]),
            ]
            for row in answer.rows.iter_rows(named=True)
        ],
        (answer,),
    )


def contract_table(answer: Answer) -> Table:
    """Return the outcome of the data contracts by table (``contracts.sql``)."""
    held, total = int(answer.rows["n_held"].sum()), int(answer.rows["n_expectations"].sum())
    return Table(
        "contracts",
        "Data contracts",
        f"{held:,} of {total:,} expectations held; a critical one that fails publishes nothing.",
        [Heading("table", numeric=False), Heading("expectations"), Heading("held"), Heading("failed", numeric=False)],
        [
            [Cell(row["table_name"]), count(row["n_expectations"]), count(row["n_held"]), Cell(row["failed"] or "none")]
            for row in answer.rows.iter_rows(named=True)
        ],
        (answer,),
    )


def stage_table(run: RunFacts) -> Table:
    """Return the stages of the run."""
    slowest = max((s for s in run.stages if s.seconds is not None), key=lambda s: s.seconds or 0.0, default=None)
    statement = f"The longest was {slowest.name}, {slowest.seconds:.1f} s." if slowest else "No times were recorded."
    return Table(
        "stages",
        "Stages",
        f"Seconds that each artifact took to build, in whichever run built it. {statement}",
        [Heading("stage", numeric=False), Heading("seconds"), Heading("artifact", numeric=False)],
        [[Cell(fact.name), quantity(fact.seconds, "{:.1f}".format), Cell(fact.fingerprint)] for fact in run.stages],
        (),
    )
