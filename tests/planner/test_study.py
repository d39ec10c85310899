"""A study is planned by published counts, without its data or models."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline_core.config import load_config
from pipeline_core.models.size import ModelSize
from pipeline_core.planner.study import Assumed, chosen, page, taken
from pipeline_core.presets import preset_names

PAGE = Path(__file__).parents[2] / "docs" / "paper_study.md"
PATH = "dataset.path=nowhere"
PAIRS = [name for name in preset_names() if name.startswith("mbeir/") and "2" in name]
PAPER = {
    # Queries and pool of each pair as the paper tells them, in thousands.
    "visualnews-t2i": (20, 542), "mscoco-t2i": (24.8, 5), "fashion200k-t2i": (1.7, 201), "webqa-t2t": (2.4, 544),
    "edis-t2it": (3.2, 1047), "webqa-t2it": (2.5, 403), "visualnews-i2t": (20, 537), "mscoco-i2t": (5, 25),
    "fashion200k-i2t": (4.8, 61), "nights-i2i": (2, 40), "oven-it2t": (50, 676), "infoseek-it2t": (11, 611),
    "fashioniq-it2i": (6, 74), "cirr-it2i": (4, 21), "oven-it2it": (14.7, 335), "infoseek-it2it": (17.6, 481),
}  # fmt: skip


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m pipeline_core.planner.study docs/paper_study.md"


def test_every_pair_of_the_paper_has_a_preset_of_its_size() -> None:
    assert {name.removeprefix("mbeir/") for name in PAIRS} == PAPER.keys()
    for name in PAIRS:
        config = load_config(("qwen2-vl-7b", name, "paper"), settings=(PATH,))
        assert config.section("activations").store == "analysed", "every one would be terabytes, and is not estimated"
        sizes, (task,) = chosen(config)
        assert len(sizes) == 3  # the model and both contrastive ones
        queries, candidates = PAPER[name.removeprefix("mbeir/")]
        assert task.queries / 1000 == pytest.approx(queries, rel=0.08)
        assert task.candidates / 1000 == pytest.approx(candidates, rel=0.03)
        assert name.endswith(task.sides)


@pytest.mark.parametrize("model", ["clip-b32", "siglip2-base-512", "gme-qwen2-vl-7b", "vlm2vec-qwen2-vl-7b"])
def test_every_model_of_the_paper_is_known_by_its_size(model: str) -> None:
    sizes, tasks = chosen(load_config((model, "mbeir/hour"), settings=(PATH,)))
    assert sizes
    assert [task.task for task in tasks] == ["mscoco_task0", "mscoco_task3", "nights_task4"]


def test_three_tasks_take_an_hour_of_one_gpu() -> None:
    sizes, tasks = chosen(load_config(("qwen2-vl-7b", "mbeir/hour"), settings=(PATH, "compare_with=[]")))
    (size,) = sizes.values()
    assert sum(taken(task, size, Assumed()).seconds for task in tasks) < 3600


@pytest.mark.parametrize("setting", ["model.name=reference-mllm", "dataset.queries=10", "dataset.tasks=[mscoco_task9]"])
def test_what_is_not_published_is_not_told(setting: str) -> None:
    assert chosen(load_config(("qwen2-vl-7b", "mbeir/mscoco-t2i"), settings=(PATH, setting))) == ({}, ())


def test_it_is_reckoned_by_tokens_and_pairs() -> None:
    _, (task,) = chosen(load_config(("qwen2-vl-7b", "mbeir/mscoco-t2i"), settings=(PATH,)))
    size = ModelSize(1_000_000, False, 8, 2, 32, 4)
    assumed = Assumed(flops=1e9, share=0.5, systems=0, bandwidth=1e30)
    found = taken(task, size, assumed)
    tokens = task.queries * (42 + task.query_characters / 4) + task.candidates * (42 + 4)
    assert (found.rows, found.tokens, found.n_bytes) == (29_809, tokens, 29_809 * 8 * 4)
    assert found.seconds == pytest.approx((2e6 * tokens + 4 * 29_809 * 64) / 0.5e9)
    searched = taken(task, size, replace(assumed, systems=1)).seconds - found.seconds
    assert searched == pytest.approx(2 * 24_809 * 5_000 * 8 / 0.5e9)
    assert replace(size, pixels_a_token=100).tokens_of_picture(20, 10) == 2
