"""Held-out groups drawn anew: everything follows its group, and train and test are left alone."""

import shutil
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from pipeline_core.contracts.validation import check_artifact
from pipeline_core.dataset.images import ImageReader
from pipeline_core.dataset.sources.folder import FolderSettings
from pipeline_core.errors import StoreError
from pipeline_core.redraw.splits import HELD_OUT, redraw_splits
from pipeline_core.schema import tables_of
from pipeline_core.schema.parquet import read_table, write_table
from tests.dataset.conftest import Built

KEY = ["task_id", "query_id"]
held_out = pl.col("split").is_in(HELD_OUT)


def redraw(source: Built, seed: int, folder: Path) -> Built:
    folder.mkdir()
    redraw_splits(source.folder, seed, folder)
    return Built(folder, {table.name: read_table(folder, table.name) for table in tables_of("dataset")})


@pytest.fixture(scope="module")
def redrawn(emoji: Built, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return redraw(emoji, 1, tmp_path_factory.mktemp("redrawn") / "artifact")


@pytest.fixture
def pictures(tmp_path: Path) -> FolderSettings:
    """Sixty pictures of one size of group, two captions each; two in three share a caption."""
    root = tmp_path / "pictures"
    root.mkdir()
    rows = ["file_name,text"]
    for n in range(60):
        Image.new("RGB", (8, 6), (n, 4 * n, 0)).save(root / f"{n:02d}.png")
        rows += [f"{n:02d}.png,caption {n}", f"{n:02d}.png,{'a picture' if n % 3 else f'number {n}'}"]
    (root / "metadata.csv").write_text("\n".join(rows))
    return FolderSettings(path=root)


def judged_in(built: Built, name: str) -> pl.DataFrame:
    """Judgements or exclusions with the split and the sample of their query."""
    queries = built["queries"].rename({"sample_id": "query_sample"})
    return built[name].join(queries, on=KEY, how="left")


def test_every_rule_of_the_contracts_holds(redrawn: Built) -> None:
    assert [result for result in check_artifact("dataset", redrawn.folder) if not result.success] == []


def test_train_and_test_are_left_as_they_are(emoji: Built, redrawn: Built) -> None:
    for name in ("samples", "pairs", "queries", "candidates"):
        assert emoji[name].filter(~held_out).equals(redrawn[name].filter(~held_out)), name
    for name in ("qrels", "exclusions"):
        before, after = (judged_in(built, name).filter(split="test") for built in (emoji, redrawn))
        assert before.equals(after), name
    for name in ("tasks", "prompts", "quarantine"):
        assert emoji[name].equals(redrawn[name]), name


def test_queries_that_nothing_answers_stay_where_all_are_asked(emoji: Built, tmp_path: Path) -> None:
    """The task i2i, of which one query in the validation split loses its judgements."""
    lost = emoji["queries"].filter(task_id="i2i", split="validation").head(1)
    for name, gone in (("asked", lost), ("left_out", lost.clear())):
        folder = tmp_path / name
        shutil.copytree(emoji.folder, folder)
        write_table(folder, "qrels", emoji["qrels"].join(gone, on=KEY, how="anti"))
        built = redraw(Built(folder, emoji.tables), 1, tmp_path / f"{name}-redrawn")
        silent = built["queries"].join(built["qrels"], on=KEY, how="anti")
        assert silent.is_empty() is (name == "left_out")
        assert silent.join(lost, on=KEY, how="semi").height == gone.height


def test_only_the_split_of_a_sample_changes(emoji: Built, redrawn: Built) -> None:
    assert emoji["samples"].drop("split").equals(redrawn["samples"].drop("split"))
    moved = emoji["samples"].join(redrawn["samples"], on="sample_id").filter(pl.col("split") != pl.col("split_right"))
    assert moved["group"].n_unique() > 100
    assert set(moved["split"]) == set(moved["split_right"]) == set(HELD_OUT)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_task_keeps_half_of_its_families_in_either_split(emoji: Built, seed: int, tmp_path: Path) -> None:
    built = redraw(emoji, seed, tmp_path / "artifact")
    groups = built["samples"].select("sample_id", "group")
    asking = built["queries"].filter(held_out).join(groups, on="sample_id")
    families = asking.group_by("task_id", "split").agg(pl.col("group").n_unique())
    for task_id in built["tasks"].filter(control="none")["task_id"]:
        sizes = dict(families.filter(task_id=task_id).select("split", "group").iter_rows())
        assert abs(sizes["support"] - sizes["validation"]) <= 6, task_id
    pairs = dict(built["pairs"].group_by("split").len().iter_rows())
    assert abs(pairs["support"] - pairs["validation"]) <= 6


def test_a_seed_decides_and_decides_alike(emoji: Built, redrawn: Built, tmp_path: Path) -> None:
    again, other = redraw(emoji, 1, tmp_path / "again"), redraw(emoji, 2, tmp_path / "other")
    files = sorted(path.name for path in redrawn.folder.iterdir())
    assert files == sorted(path.name for path in again.folder.iterdir())
    for name in files:
        assert (redrawn.folder / name).read_bytes() == (again.folder / name).read_bytes(), name
    assert not redrawn["samples"].equals(other["samples"])


def test_pools_hold_what_was_held_out_and_lies_there_now(emoji: Built, redrawn: Built) -> None:
    splits = redrawn["samples"].select("sample_id", "split")
    expected = emoji["candidates"].filter(held_out).select("pool_id", "sample_id").join(splits, on="sample_id")
    pools = redrawn["candidates"].filter(held_out)
    assert set(pools.select("pool_id", "sample_id", "split").rows()) == set(expected.rows())
    assert len(pools) == len(expected)


def test_every_query_keeps_an_answer_and_few_are_dropped(emoji: Built, redrawn: Built) -> None:
    assert redrawn["queries"].join(redrawn["qrels"], on=KEY, how="anti").is_empty()
    counts = [built["queries"].group_by("task_id").len().sort("task_id")["len"] for built in (emoji, redrawn)]
    assert (counts[1] <= counts[0]).all()
    assert (counts[1] >= 0.9 * counts[0]).all()
    assert redrawn["queries"].join(emoji["queries"], on=KEY, how="anti").is_empty()


def test_judgements_within_a_pool_are_kept(emoji: Built, redrawn: Built) -> None:
    pools = redrawn.searched()
    for name in ("qrels", "exclusions"):
        before = emoji[name].join(redrawn["queries"].select(*KEY, "split"), on=KEY)
        before = before.join(pools, on=["task_id", "split", "sample_id"], how="semi")
        lost = before.join(redrawn[name], on=[*KEY, "sample_id"], how="anti")
        assert lost.is_empty(), name


def test_controls_follow_their_tasks(redrawn: Built) -> None:
    text = redrawn["samples"].select("sample_id", "text", sample_split="split")
    for task_id, task in redrawn["tasks"].filter(pl.col("control") != "none").select("task_id", "control_of").rows():
        for name in ("qrels", "exclusions"):
            mine, its = (redrawn[name].filter(task_id=t).drop("task_id") for t in (task_id, task))
            assert mine.equals(its), (task_id, name)
        mine, its = (redrawn["queries"].filter(task_id=t).sort("query_id") for t in (task_id, task))
        assert mine.select("query_id", "split").equals(its.select("query_id", "split"))
        asked = mine.join(text, on="sample_id")
        assert (asked["split"] == asked["sample_split"]).all()
        if task_id.endswith("text_only"):
            both = asked.join(its.join(text, on="sample_id"), on="query_id")
            assert (both["text"] == both["text_right"]).all()


def test_what_is_asked_and_found_was_embedded_before(emoji: Built, redrawn: Built) -> None:
    embedded, needed = (
        {
            row
            for table, side in ((built["queries"], "query"), (built.searched(), "candidate"))
            for row in table.join(built["tasks"], on="task_id").select("sample_id", f"{side}_prompt_id").rows()
        }
        for built in (emoji, redrawn)
    )
    assert needed <= embedded


def test_pictures_are_copied(emoji: Built, redrawn: Built) -> None:
    before, after = (built.folder / "images.parquet" for built in (emoji, redrawn))
    assert before.read_bytes() == after.read_bytes()
    assert before.stat().st_ino != after.stat().st_ino


def test_a_folder_redrawn_is_the_folder_built_with_that_seed(pictures: FolderSettings, tmp_path: Path, build) -> None:
    first = build(pictures, tmp_path / "first")
    for seed in (1, 2, 3):
        built = build(pictures.model_copy(update={"seed": seed}), tmp_path / f"built{seed}")
        moved = redraw(first, seed, tmp_path / f"redrawn{seed}")
        for name, table in built.tables.items():
            assert table.equals(moved[name]), (seed, name)
    ref = moved["samples"].filter(sample_id="image:07.png")["image_ref"].item()
    with ImageReader(moved.folder) as reader:
        assert reader.open(ref).getpixel((0, 0)) == (7, 28, 0)


def test_equal_captions_that_come_together_are_both_right(pictures: FolderSettings, tmp_path: Path, build) -> None:
    moved = redraw(build(pictures, tmp_path / "first"), 1, tmp_path / "redrawn")
    texts = moved["samples"].select(query_sample="sample_id", text="text")
    shared = judged_in(moved, "qrels").filter(held_out, task_id="t2i").join(texts, on="query_sample")
    shared = shared.filter(text="a picture").group_by("split", "query_id").agg(pl.col("sample_id").sort())
    for _, answers in shared.group_by("split"):
        assert answers["sample_id"].n_unique() == 1
        assert len(answers["sample_id"][0]) == len(answers)
    assert shared.group_by("split").len()["len"].max() > 1


def test_a_pool_that_every_split_searches_stays_and_is_judged_alike(
    pictures: FolderSettings, tmp_path: Path, build
) -> None:
    first = build(pictures, tmp_path / "first")
    of_all = pl.lit(None, pl.String).alias("split")
    write_table(first.folder, "candidates", first["candidates"].with_columns(of_all))
    moved = redraw(first, 1, tmp_path / "redrawn")
    assert moved["candidates"].equals(first["candidates"].with_columns(of_all).sort("pool_id", "sample_id"))
    assert moved["qrels"].join(moved["queries"], on=KEY).filter(split="validation").height > 10
    assert [result for result in check_artifact("dataset", moved.folder) if not result.success] == []


def test_an_exclusion_outweighs_a_judgement_of_equal_content(pictures: FolderSettings, tmp_path: Path, build) -> None:
    first = build(pictures, tmp_path / "first")
    shared = first["samples"].filter(held_out, text="a picture")["sample_id"]
    barred = first["queries"].filter(held_out, task_id="i2t").select(*KEY, sample_id=pl.lit(shared[0]))
    write_table(first.folder, "exclusions", barred)
    moved = redraw(first, 1, tmp_path / "redrawn")
    pools = moved.searched().filter(held_out, task_id="i2t").filter(pl.col("sample_id").is_in(shared.implode()))
    expected = moved["queries"].filter(task_id="i2t").drop("sample_id").join(pools, on=["task_id", "split"])
    assert set(moved["exclusions"].rows()) == set(expected.select(*KEY, "sample_id").rows())
    assert not set(moved["qrels"].filter(task_id="i2t")["sample_id"]) & set(shared)


def test_a_damaged_source_is_named(emoji: Built, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    with pytest.raises(StoreError, match="holds no table samples; run lens verify"):
        redraw_splits(tmp_path / "dataset", 1, tmp_path / "new")


def test_splits_that_were_given_stay(pictures: FolderSettings, tmp_path: Path, build) -> None:
    """A benchmark keeps the splits that it was published with, whatever the seed."""
    metadata = pictures.path / "metadata.csv"
    header, *rows = metadata.read_text().splitlines()
    given = [f"{row},{('train', 'support', 'validation', 'test')[int(row[:2]) % 4]}" for row in rows]
    metadata.write_text("\n".join([f"{header},split", *given]))
    first = build(pictures, tmp_path / "first")
    moved = redraw(first, 1, tmp_path / "redrawn")
    for name, table in first.tables.items():
        assert table.equals(moved[name]), name
    assert (moved.folder / "source.json").read_bytes() == (first.folder / "source.json").read_bytes()
