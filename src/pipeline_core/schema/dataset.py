"""Tables of the data set: samples, tasks, judgements."""

from pipeline_core.schema.model import INT, QUERY, SAMPLE, SMALL, SPLIT, STRING, TASK, Table, column, nullable

REDRAWN = ("redraw",)
"""Further stages that write a data set."""

TABLES: tuple[Table, ...] = (
    Table(
        "samples",
        "dataset",
        "What can be embedded: pictures, texts, and pictures with texts.",
        ("sample_id",),
        (
            SAMPLE,
            column("modality", STRING, "image | text | image_text"),
            nullable("text", STRING, "the text; NULL for a picture alone"),
            nullable(
                "image_ref",
                STRING,
                "file:<path>, shard:<path>#<column>#<row> or tar:<path>#<offset>+<size>, paths below the source; "
                "parquet:<file>#<row>, copied into the artifact; NULL for a text",
            ),
            nullable("sha256", STRING, "digest of the picture's bytes"),
            nullable("width", SMALL, "picture width, pixels"),
            nullable("height", SMALL, "picture height, pixels"),
            column("group", STRING, "unit of the split: samples of one group share a split"),
            SPLIT,
        ),
        also_by=REDRAWN,
    ),
    Table(
        "pairs",
        "dataset",
        "Matched pictures and texts: the pairs (i, t) of bridge and attribution.",
        ("image_id", "text_id"),
        (column("image_id", STRING, "picture sample"), column("text_id", STRING, "its text sample"), SPLIT),
        also_by=REDRAWN,
    ),
    Table(
        "tasks",
        "dataset",
        "Retrieval tasks and their controls.",
        ("task_id",),
        (
            TASK,
            column("task_type", STRING, "t->i | t->t | t->it | i->t | i->i | it->t | it->i | it->it"),
            column("query_modality", STRING, "modality of the queries"),
            column("candidate_modality", STRING, "modality of what is right; a mixed pool holds others, too"),
            column("query_prompt_id", STRING, "instruction for queries without one of their own"),
            column(
                "candidate_prompt_id",
                STRING,
                "instruction for candidates of that modality; others are under text, image or image_sentence",
            ),
            column("pool_id", STRING, "what is searched, as in candidates; tasks that search the same share it"),
            column("primary_k", SMALL, "cut-off that the task is usually reported at"),
            column("control", STRING, "none | image_only | text_only: what it keeps of the composed query"),
            nullable("control_of", STRING, "task that this is the control of"),
            column("description", STRING, "the task in one sentence"),
            nullable("queries_of", INT, "queries of the test split that there are, where a sample of them is asked"),
            nullable("candidates_of", INT, "candidates of the test pool, where a sample of them is searched"),
            column(
                "unanswered",
                INT,
                "queries of the test split that are not asked: quarantined, or nothing usable in the pool answers them",
            ),
        ),
        also_by=REDRAWN,
    ),
    Table(
        "queries",
        "dataset",
        "Queries of each task.",
        ("task_id", "query_id"),
        (
            TASK,
            QUERY,
            SAMPLE,
            SPLIT,
            column("prompt_id", STRING, "instruction that the query is embedded under, as in prompts"),
        ),
        also_by=REDRAWN,
    ),
    Table(
        "candidates",
        "dataset",
        "What tasks search: each pool once, whichever tasks share it.",
        ("pool_id", "split", "sample_id"),
        (
            column("pool_id", STRING, "pool, called as the first task that searches it"),
            nullable("split", STRING, "split whose queries search it; NULL: all, as in a corpus without splits"),
            SAMPLE,
        ),
        also_by=REDRAWN,
    ),
    Table(
        "exclusions",
        "dataset",
        "Candidates that a query may not be given: its own picture.",
        ("task_id", "query_id", "sample_id"),
        (TASK, QUERY, SAMPLE),
        also_by=REDRAWN,
    ),
    Table(
        "qrels",
        "dataset",
        "Relevance judgements.",
        ("task_id", "query_id", "sample_id"),
        (TASK, QUERY, SAMPLE, column("relevance", SMALL, "1 or more is relevant")),
        also_by=REDRAWN,
    ),
    Table(
        "prompts",
        "dataset",
        "Instructions, as put after the sample in the user turn.",
        ("prompt_id",),
        (column("prompt_id", STRING, "instruction"), column("text", STRING, "its words")),
        also_by=REDRAWN,
    ),
    Table(
        "quarantine",
        "dataset",
        "Input rows left out, and why.",
        ("row", "reason"),
        (column("row", STRING, "row of the source"), column("reason", STRING, "why it was left out")),
        also_by=REDRAWN,
    ),
)
