"""Tables of the report: models compared, and the verdict on each claim with the numbers behind it."""

from pipeline_core.schema.model import BOOL, DOUBLE, MODEL, SMALL, STRING, Table, column, nullable

CLAIM = column("claim", SMALL, "number of the claim, 1 to 13")
TIMED = column("timed", BOOL, "rests on measured time, which may differ between equal runs")
PART = column("part", STRING, "part of the claim, as in claims.yaml")

_VERDICT = column("verdict", STRING, "holds | refuted | not settled | not measurable here")
_MEAN = (
    nullable("value", DOUBLE, "mean over the cases that count and the repetitions"),
    nullable("low", DOUBLE, "lower end of its 95% interval over families"),
    nullable("high", DOUBLE, "upper end of its 95% interval over families"),
    nullable("p", DOUBLE, "two-sided p of its being at the threshold"),
    nullable("detectable", DOUBLE, "smallest effect that 4 in 5 such runs would see in a case: median of the cases"),
)
_NEEDS = nullable("needs", STRING, "what it would take to measure it, where it was not")

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
            column("identity", STRING, "what it is loaded from: a digest of its files, or name and commit on the hub"),
            column("rendering", STRING, "how prompts end: released | generation | none; own: as its makers do"),
        ),
        version=9,
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
            _VERDICT,
            column("reason", STRING, "the numbers that decided, in a sentence"),
            _NEEDS,
            *_MEAN,
            TIMED,
        ),
        volatile_rows="timed",
        version=9,
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
            column("direction", STRING, "above | below | within: where it must lie to support the claim"),
            column("threshold", DOUBLE, "fixed beforehand; within: the distance from 0"),
            column("needed", STRING, "all | majority | any: how many of the cases must support it"),
            column("decides", BOOL, "the verdict of the claim rests on it; otherwise it is shown beside"),
            column("n_cases", SMALL, "cases that count"),
            column("n_supporting", SMALL, "cases that support the claim in every repetition"),
            column("n_refuting", SMALL, "cases that refute it in every repetition"),
            column("n_left_out", SMALL, "cases that are shown and decide nothing"),
            _VERDICT,
            _NEEDS,
            *_MEAN,
            nullable("paper_value", DOUBLE, "the same statistic from the paper's own figures, where it has them"),
            TIMED,
        ),
        volatile_rows="timed",
        version=9,
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
            column("low", DOUBLE, "lower end of its 95% interval"),
            column("high", DOUBLE, "upper end of its 95% interval"),
            column("p", DOUBLE, "two-sided p of its being at the threshold"),
            nullable("q", DOUBLE, "p corrected for the tests of the claim (Holm); NULL of a case that is left out"),
            column("detectable", DOUBLE, "smallest distance from the threshold that 4 in 5 such runs would have seen"),
            column("outcome", STRING, "supports | refutes | open | left out"),
            nullable("left_out", STRING, "why it decides nothing: ceiling | floor"),
            TIMED,
        ),
        volatile_rows="timed",
        version=9,
    ),
)
