"""The figures of the paper (arXiv 2512.19115) in one long table, as printed.

The files below ``data`` hold the printed tables; here their layouts become one. Three things are added to what they
say. Models have one name each, where print has "Qwen2-VL-7B-Instruct" beside "Qwen2-VL-7B". Data sets have their task
(``MSCOCO image->text``), which Tables 5 and 8 and Figure 1 leave out: that under which Table 3 has their numbers.
Table 4 names no metric; its ReAlign column is that of Table 3, R@5.

Misprints are kept. Those known, each to be read with Table 3 in mind:

- PaliGemma2 with ReAlign on CIRR: R@5 is 15.48 in Table 3 and 30.66 in Table 8, which repeats its row of NIGHTS.
- Qwen3-VL with ReAlign on CIRR: R@5 is 15.94 in Tables 3 and 8, and 14.94 in another place of the paper.
- Chameleon without ReAlign on CIRR: R@5 is 7.19 in Table 3 and 2.7 in Figure 1.
- Chameleon without ReAlign on MSCOCO image->text: R@5 is 9.18 in Table 3 and 7.58 in Table 2.
- Qwen2-VL and Qwen3-VL without ReAlign on NIGHTS: R@5 is 25.8 and 25.14 in Table 3, 22.8 and 20.14 in Table 5.
- Qwen2-VL without ReAlign on MSCOCO image->text: R@1 is 5.60 in Table 2 and 5.90 in Table 5.
- Table 4 puts OVEN under task 7, which has no OVEN; its ReAlign value is that of task 8 in Table 3.
- The gain printed for Qwen2-VL on FashionIQ is not 5.03, as it is by Table 3; gains are not in these files.
"""

from pathlib import Path

import polars as pl

DATA = Path(__file__).parent / "data"

_COLUMNS = ("item", "model", "dataset", "setting", "quantity", "value")
_BASE = "base"

_ONE_NAME = {
    "Qwen2-VL-7B-Instruct": "Qwen2-VL-7B",
    "Qwen3-VL-8B-Instruct": "Qwen3-VL-8B",
    "PaliGemma2-3B-Mix-224": "PaliGemma2-3B",
    "CLIP 0.15B": "CLIP",
}
_WITH_TASK = {"MSCOCO": "MSCOCO image->text", "NIGHTS": "NIGHTS image->image", "CIRR": "CIRR image+text->image"}


def paper_values() -> pl.DataFrame:
    """Return every number of the paper's tables and figures, one a row.

    Columns as in table ``paper_values``: item, model, dataset, setting, quantity, value. Recalls and the shares of
    Figure 3 are percentages, overlaps are shares, times and memory have their unit in the quantity.
    """
    parts = (
        _overlap(),
        _removal(),
        _zero_shot(),
        _fine_tuned(),
        _by_dataset("Table 5", "table_pooling.csv", "pooling"),
        _efficiency(),
        _by_dataset("Table 8", "table_whitening.csv", "whitening"),
        _figures(),
    )
    return (
        pl.concat([part.select(_COLUMNS) for part in parts])
        .with_columns(pl.col("model").replace(_ONE_NAME), pl.col("dataset").replace(_WITH_TASK))
        .sort("item", maintain_order=True)
    )


def _overlap() -> pl.DataFrame:
    long = _long("table_overlap.csv", ["type", "model"], "quantity")
    return long.with_columns(item=pl.lit("Table 1"), dataset=pl.lit(""), setting=pl.lit(""))


def _removal() -> pl.DataFrame:
    return _long("table_removal.csv", ["model", "dataset", "setting"], "quantity").with_columns(item=pl.lit("Table 2"))


def _zero_shot() -> pl.DataFrame:
    index = ["task", "query", "candidate", "dataset", "metric"]
    long = _long("table_zero_shot.csv", index, "system").with_columns(
        # Only models that can be adapted say in their heading whether they were.
        pl.col("system").str.extract_groups(r"^(?<model>.+?)(?: (?<setting>base|ReAlign))?$").struct.unnest()
    )
    return long.with_columns(
        item=pl.lit("Table 3"),
        dataset=pl.format("{} {}->{}", "dataset", "query", "candidate"),
        setting=pl.col("setting").fill_null(_BASE),
        quantity=pl.col("metric"),
    )


def _fine_tuned() -> pl.DataFrame:
    directions = pl.read_csv(DATA / "table_zero_shot.csv").select("task", "query", "candidate").unique()
    adapted = pl.col("system").str.starts_with("ReAlign")
    return (
        _long("table_finetuned.csv", ["task", "dataset"], "system")
        .join(directions, on="task", maintain_order="left")
        .with_columns(
            item=pl.lit("Table 4"),
            model=pl.col("system").str.strip_prefix("ReAlign (").str.strip_suffix(")"),
            dataset=pl.format("{} {}->{}", "dataset", "query", "candidate"),
            setting=pl.when(adapted).then(pl.lit("ReAlign")).otherwise(pl.lit("fine-tuned")),
            quantity=pl.lit("R@5"),
        )
    )


def _by_dataset(item: str, file: str, setting: str) -> pl.DataFrame:
    """Return a table whose headings are a data set and a metric, e.g. ``NIGHTS R@5``."""
    heading = pl.col("heading").str.split_exact(" ", 1).struct.rename_fields(["dataset", "quantity"]).struct.unnest()
    return _long(file, ["model", setting], "heading").with_columns(heading, item=pl.lit(item), setting=pl.col(setting))


def _efficiency() -> pl.DataFrame:
    measured = {
        "hidden_dim": ("", "dimensions"),
        "realign_ms": ("ReAlign", "time (ms)"),
        "realign_mib": ("ReAlign", "memory (MiB)"),
        "similarity_ms": ("similarity search", "time (ms)"),
        "similarity_mib": ("similarity search", "memory (MiB)"),
    }
    heading = pl.col("heading")
    return _long("table_efficiency.csv", ["model", "note"], "heading").with_columns(
        item=pl.lit("Table 7"),
        dataset=pl.col("note"),
        setting=heading.replace_strict({name: setting for name, (setting, _) in measured.items()}),
        quantity=heading.replace_strict({name: quantity for name, (_, quantity) in measured.items()}),
    )


def _figures() -> pl.DataFrame:
    """Return the figures' numbers; ``1.4/6.1/9.5`` under ``R@1/R@5/R@10`` are three."""
    printed = pl.read_csv(DATA / "figure_values.csv", schema_overrides={"value": pl.String})
    places = pl.DataFrame(
        [("CIRR recall", "Figure 1", "CIRR", _BASE), ("cumulative energy", "Figure 3", "", "")],
        schema=["figure", "item", "dataset", "setting"],
        orient="row",
    )
    return (
        printed.join(places, on="figure", maintain_order="left")
        .with_columns(pl.col("quantity", "value").str.split("/"))
        .explode("quantity", "value")
        .with_columns(pl.col("value").cast(pl.Float64))
    )


def _long(file: str, index: list[str], heading: str) -> pl.DataFrame:
    """Return a printed table with one number a row: its heading in the column ``heading``, itself in ``value``."""
    wide = pl.read_csv(DATA / file)
    return wide.unpivot(index=index, variable_name=heading, value_name="value").with_columns(
        pl.col("value").cast(pl.Float64)
    )
