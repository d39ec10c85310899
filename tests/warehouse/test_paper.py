"""The paper's figures are those of its files: every number once, under the right name."""

import pytest

from pipeline_core.schema import TABLES
from pipeline_core.warehouse.paper import paper_values

KEY = list(TABLES["paper_values"].key)
VALUES = paper_values()
OF = dict(zip(VALUES.select(KEY).iter_rows(), VALUES["value"], strict=True))
MLLMS = ("Qwen2-VL-7B", "Qwen3-VL-8B", "PaliGemma2-3B", "Chameleon-7B")
MSCOCO, NIGHTS, CIRR = "MSCOCO image->text", "NIGHTS image->image", "CIRR image+text->image"


def test_every_number_is_there() -> None:
    """As many as the paper prints: models times cells of each table."""
    tables = {"Table 1": 6 * 4, "Table 2": 8 * 3, "Table 3": 16 * 10, "Table 4": 4 * 3, "Table 7": 3 * 5}
    whitenings_and_poolings = {"Table 5": 12 * 9, "Table 8": 12 * 9}
    figures = {"Figure 1": 5 * 3, "Figure 3": 4}
    assert dict(VALUES.group_by("item").len().iter_rows()) == tables | whitenings_and_poolings | figures


def test_columns_and_types_are_those_of_the_table() -> None:
    assert VALUES.columns == [c.name for c in TABLES["paper_values"].columns]
    assert VALUES.drop("misprint").null_count().sum_horizontal().item() == 0
    assert VALUES["value"].is_finite().all()


def test_a_number_has_one_name() -> None:
    assert VALUES.select(KEY).is_unique().all()


def test_every_table_and_figure_is_there() -> None:
    assert set(VALUES["item"]) == {f"Table {n}" for n in (1, 2, 3, 4, 5, 7, 8)} | {"Figure 1", "Figure 3"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (("Table 1", "SigLIP2", "", "", "J(energy;attribution)"), 0.3948),
        (("Table 1", "PaliGemma2-3B", "", "", "triple_overlap"), 0.6541),
        (("Table 2", "Chameleon-7B", MSCOCO, "top-attribution concepts removed", "R@10"), 31.34),
        (("Table 3", "SigLIP", "Fashion200K text->image", "base", "R@10"), 36.5),
        (("Table 3", "Qwen2-VL-7B", "MSCOCO text->image", "base", "R@5"), 18.57),
        (("Table 3", "Qwen2-VL-7B", MSCOCO, "ReAlign", "R@5"), 72.62),
        (("Table 3", "Chameleon-7B", "InfoSeek image+text->image+text", "ReAlign", "R@5"), 22.94),
        (("Table 3", "CLIP", "WebQA text->text", "base", "R@5"), 36.2),
        (("Table 3", "CLIP", "WebQA text->image+text", "base", "R@5"), 45.1),
        (("Table 4", "GME", MSCOCO, "fine-tuned", "R@5"), 86.7),
        (("Table 4", "VLM2Vec", "WebQA text->image+text", "fine-tuned", "R@5"), 63.9),
        (("Table 4", "Qwen2-VL-7B", "MSCOCO text->image", "ReAlign", "R@5"), 59.8),
        (("Table 5", "Qwen3-VL-8B", NIGHTS, "last token", "R@10"), 5.75),
        (("Table 5", "PaliGemma2-3B", CIRR, "min", "R@1"), 0.64),
        (("Table 7", "Qwen3-VL-8B", "1M candidates on a GPU", "similarity search", "memory (MiB)"), 48778),
        (("Table 7", "PaliGemma2-3B", "1M candidates on a GPU", "ReAlign", "time (ms)"), 1538),
        (("Table 8", "Chameleon-7B", CIRR, "ZCA", "R@1"), 0.09),
        (("Table 8", "Qwen2-VL-7B", NIGHTS, "PCA", "R@5"), 20.21),
        (("Figure 1", "CLIP", CIRR, "base", "R@5"), 13.1),
        (("Figure 3", "Qwen3-VL-8B", "", "", "share of features holding 99% of energy (%)"), 5.43),
    ],
)
def test_numbers_read_by_hand(key: tuple[str, ...], value: float) -> None:
    assert OF[key] == value


def test_tables_differ_from_table_3_only_where_a_misprint_is_marked() -> None:
    same = {"base": "base", "mean": "base", "ReAlign": "ReAlign"}
    differ = set()
    for (item, model, dataset, setting, quantity), value in OF.items():
        other = OF.get(("Table 3", model, dataset, same.get(setting, ""), quantity), value)
        if value != pytest.approx(other, abs=0.11):
            differ.add((item, model, dataset, value, f"{other:g}"))
    marked = VALUES.drop_nulls("misprint")
    assert {row[:4] for row in differ} <= set(marked.select("item", "model", "dataset", "value").iter_rows())
    told = {(row["item"], row["value"]): row["misprint"] for row in marked.iter_rows(named=True)}
    assert all(other in told[item, value] for item, _, _, value, other in differ)
    beside = {"Table 8": 2, "Table 2": 1, "Table 4": 3}  # R@1 and R@10 of a row, R@1, and a data set under another task
    assert dict(marked.group_by("item").len().iter_rows()) == {"Figure 1": 1, "Table 5": 2} | {
        "Table 8": 1 + beside["Table 8"],
        "Table 2": 1 + beside["Table 2"],
        "Table 4": beside["Table 4"],
    }
