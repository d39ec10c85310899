"""A small data set with every modality and every split, written as a dataset artifact is."""

from pathlib import Path

import polars as pl
import pytest

from pipeline_core.dataset.images import write_images
from pipeline_core.schema.parquet import write_table
from tests.models import tiny
from tests.small import WHOLE

SPLITS = ("train", "train", "support", "validation", "test")
WORDS = ("a red heart", "a waving hand", "two small dogs", "a red hand with dark skin tone", "dogs, a heart")
N_GROUPS = 20


def samples(refs: list[str]) -> pl.DataFrame:
    """Pictures, texts, and for held-out groups a picture with a text: the same picture as the first."""
    rows = []
    for n, ref in enumerate(refs):
        split, text = SPLITS[n % len(SPLITS)], f"{WORDS[n % len(WORDS)]} {n}"
        picture = {"image_ref": ref, "sha256": f"{n:064d}", "width": 50, "height": 40}
        blank = dict.fromkeys(picture)
        common = {"group": f"group-{n}", "split": split}
        rows.append({"sample_id": f"image:{n:02d}", "modality": "image", "text": None, **picture, **common})
        rows.append({"sample_id": f"name:{n:02d}", "modality": "text", "text": text, **blank, **common})
        if split != "train":
            rows.append({"sample_id": f"edit:{n:02d}", "modality": "image_text", "text": text, **picture, **common})
    return pl.DataFrame(rows)


def task(task_id: str, query: tuple[str, str], candidate: tuple[str, str]) -> dict[str, object]:
    """A task by (modality, prompt) of its queries and candidates."""
    return {
        "task_id": task_id,
        "task_type": task_id,
        "query_modality": query[0],
        "candidate_modality": candidate[0],
        "query_prompt_id": query[1],
        "candidate_prompt_id": candidate[1],
        "pool_id": task_id,
        "primary_k": 5,
        "control": "none",
        "control_of": None,
        **WHOLE,
        "description": task_id,
    }


@pytest.fixture(scope="session")
def dataset_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data_set(tmp_path_factory.mktemp("dataset"))


def write_data_set(folder: Path) -> Path:
    """Write the data set into a folder, and return that."""
    files = []
    for n in range(N_GROUPS):
        files.append(folder / f"{n}.png")
        tiny.picture(n).save(files[-1])
    table = samples(write_images(folder, files))
    held_out = table.filter(pl.col("split") != "train")
    tasks = [
        task("t2i", ("text", "text"), ("image", "image")),
        task("it2i", ("image_text", "image_question"), ("image", "image")),
        task("it2t", ("image_text", "image_sentence"), ("text", "text")),
    ]
    queries, candidates = [], []
    for of_task in tasks:
        ids = {"task_id": pl.lit(of_task["task_id"])}
        asked = ids | {"prompt_id": pl.lit(of_task["query_prompt_id"])}
        of_side = {
            side: held_out.filter(pl.col("modality") == of_task[f"{side}_modality"]) for side in ("query", "candidate")
        }
        queries.append(of_side["query"].select("sample_id", "split", query_id="sample_id", **asked))
        candidates.append(of_side["candidate"].select("sample_id", "split", pool_id=ids["task_id"]))
    write_table(folder, "samples", table)
    write_table(folder, "tasks", pl.DataFrame(tasks, schema_overrides={"control_of": pl.String}))
    write_table(folder, "queries", pl.concat(queries))
    write_table(folder, "candidates", pl.concat(candidates))
    prompts = {
        name: f"Summarize the above {name} in one word:"
        for name in ("text", "image", "image_question", "image_sentence")
    }
    write_table(folder, "prompts", pl.DataFrame({"prompt_id": list(prompts), "text": list(prompts.values())}))
    return folder
