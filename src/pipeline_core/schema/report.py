"""Tables of the report: models compared, and the verdict on each claim with the numbers behind it."""

from pipeline_core.schema.model import BOOL, DOUBLE, MODEL, SMALL, STRING, Table, column, nullable

CLAIM = column("claim", SMALL, "number of the claim, 1 to 13")
TIMED = column("timed", BOOL, "rests on measured time, which may differ between equal runs")
PART = column("part", STRING, "part of the claim, as in claims.yaml")

TABLES: tuple[Table, ...] = (
    Table(
        "models",
        "report",
        "The models of the report.",
        ("model",),
        (
            MODEL,
            column("place", SMALL, "0 is the model studied, then those beside it"),
            column("kind", STRING, "generative | contrastive"),
            column("fine_tuned", BOOL, "an embedder fine-tuned for retrieval: what claim 10 compares with"),
            column("rendering", STRING, "how prompts end: released | generation | none; own: as its makers do"),
        ),
    ),
    Table(
        "claims",
        "report",
        "The verdict on each claim of the paper, by rules set beforehand (claims.yaml).",
        ("claim",),
        (
            CLAIM,
            column("statement", STRING, "the claim"),
            column("paper", STRING, "the paper's tables and figures that support it"),
            column("verdict", STRING, "holds | fails | not measurable here"),
            column("reason", STRING, "the numbers that decided, in a sentence"),
            TIMED,
        ),
        volatile_rows="timed",
    ),
    Table(
        "claim_parts",
        "report",
        "What each claim was decided on.",
        ("claim", "part"),
        (
            CLAIM,
            PART,
            column("statistic", STRING, "what is measured"),
            column("direction", STRING, "above | below: on which side of the threshold it supports the claim"),
            column("threshold", DOUBLE, "fixed beforehand"),
            column("test", STRING, "none | interval | q: what a case must pass besides the threshold"),
            column("needed", STRING, "all | majority | any: how many of the cases must pass"),
            column("decides", BOOL, "the verdict of the claim rests on it; otherwise it is shown beside"),
            column("n_cases", SMALL, "cases measured"),
            column("n_passed", SMALL, "cases that passed in every repetition"),
            column("verdict", STRING, "holds | fails | not measurable here"),
            nullable("value", DOUBLE, "mean over the cases and repetitions"),
            nullable("paper_value", DOUBLE, "the same statistic from the paper's own figures, where it has them"),
            TIMED,
        ),
        volatile_rows="timed",
    ),
    Table(
        "claim_cases",
        "report",
        "Each case of each part: one task, pooling, reduction ... in one repetition.",
        ("claim", "part", "case", "repetition"),
        (
            CLAIM,
            PART,
            column("case", STRING, "the task, pooling, reduction ... measured"),
            column("repetition", SMALL, "0: the analysis itself; r: repeated with every seed raised by r"),
            column("value", DOUBLE, "the statistic"),
            nullable("low", DOUBLE, "lower end of its 95% interval, where it has one"),
            nullable("high", DOUBLE, "upper end of its 95% interval, where it has one"),
            nullable("q", DOUBLE, "corrected p of the paired test, where there is one"),
            column("passed", BOOL, "beyond the threshold, and by the test that the part asks for"),
            TIMED,
        ),
        volatile_rows="timed",
    ),
)
