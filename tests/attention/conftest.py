"""Tiny models that give their attention weights, and a small data set with test queries of each modality."""

from pathlib import Path

import polars as pl
import pytest

from pipeline_core.dataset.images import write_images
from pipeline_core.models.generative import GenerativeEmbedder
from pipeline_core.schema.parquet import write_table
from tests.activations.conftest import samples, task
from tests.models import tiny

N_PICTURES = 45
"""Every fifth is in the test split: nine, which two rounds of the four quadrants leave one of."""

FAMILIES = {"llava": tiny.save_llava, "paligemma": tiny.save_paligemma, "paddle": tiny.save_paddle}


def load(folder: Path, **options: str) -> GenerativeEmbedder:
    embedder = tiny.load(folder, **{"attention": "eager"} | options)
    assert isinstance(embedder, GenerativeEmbedder)
    return embedder


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: save(tmp_path_factory.mktemp(name)) for name, save in FAMILIES.items()}


@pytest.fixture(scope="session")
def embedders(folders: dict[str, Path]) -> dict[str, GenerativeEmbedder]:
    return {name: load(folder) for name, folder in folders.items()}


@pytest.fixture
def llava(folders: dict[str, Path]) -> GenerativeEmbedder:
    """A Llava of its own for each test, to be tampered with."""
    return load(folders["llava"])


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tasks of all three types, and a control task whose queries have another instruction."""
    folder = tmp_path_factory.mktemp("dataset")
    files = [folder / f"{n}.png" for n in range(N_PICTURES)]
    for n, file in enumerate(files):
        tiny.picture(n).save(file)
    table = samples(write_images(folder, files))
    held_out = table.filter(pl.col("split") != "train")
    tasks = [
        task("t->i", ("text", "sentence"), ("image", "picture")),
        task("i->t", ("image", "picture"), ("text", "sentence")),
        task("it->i", ("image_text", "question"), ("image", "picture")),
        task("i->t/control", ("image", "other"), ("text", "sentence")) | {"task_type": "i->t", "control": "shuffled"},
    ]
    queries = [
        held_out.filter(pl.col("modality") == of_task["query_modality"]).select(
            "sample_id",
            "split",
            query_id="sample_id",
            task_id=pl.lit(of_task["task_id"]),
            prompt_id=pl.lit(of_task["query_prompt_id"]),
        )
        for of_task in tasks
    ]
    candidates = [
        held_out.filter(pl.col("modality") == of_task["candidate_modality"]).select(
            "sample_id", "split", pool_id=pl.lit(of_task["pool_id"])
        )
        for of_task in tasks
    ]
    prompts = ("sentence", "picture", "question", "other")
    write_table(folder, "samples", table)
    write_table(folder, "tasks", pl.DataFrame(tasks, schema_overrides={"control_of": pl.String}))
    write_table(folder, "queries", pl.concat(queries))
    write_table(folder, "candidates", pl.concat(candidates))
    write_table(
        folder, "prompts", pl.DataFrame({"prompt_id": prompts, "text": [f"Summarize the above {p}:" for p in prompts]})
    )
    return folder
