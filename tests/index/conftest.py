"""A small data set with its embeddings: two models' worth, one with prompts and one without."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline_core.schema import TABLES
from pipeline_core.schema.parquet import write_table
from tests.small import WHOLE

WIDTH = 16
N = 60
SPLITS = ("train", "support", "test")


@dataclass(frozen=True)
class Artifacts:
    """Folders, and the raw vector of each (sample, prompt)."""

    dataset: Path
    activations: Path
    vectors: dict[tuple[str, str], np.ndarray]


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool, int], Artifacts]:
    """Make artifacts of a model with prompts, or of a dual encoder."""

    def build(prompts: bool, n: int = N) -> Artifacts:
        root = tmp_path_factory.mktemp("index")
        return _write(root, prompts, n)

    return build


def _write(root: Path, prompts: bool, n: int) -> Artifacts:
    dataset, activations = root / "dataset", root / "activations"
    random = np.random.default_rng(0)
    split = [SPLITS[i % 3] for i in range(n)]
    blank = dict.fromkeys(("image_ref", "sha256", "width", "height"))
    samples, embeddings, vectors = [], [], {}
    mean = {"image": 8 * random.normal(size=WIDTH), "text": 8 * random.normal(size=WIDTH)}
    concepts = random.normal(size=(n, WIDTH))
    for i in range(n):
        for modality in ("image", "text"):
            text = f"thing {i}" if modality == "text" else None
            row = {"sample_id": f"{modality}:{i:05d}", "modality": modality, "text": text, **blank}
            samples.append({**row, "group": str(i), "split": split[i]})
            vector = (mean[modality] + concepts[i] + 0.1 * random.normal(size=WIDTH)).astype(np.float32)
            prompt = modality if prompts else "none"
            vectors[row["sample_id"], prompt] = vector
            key = {"rep_id": "rep", "sample_id": row["sample_id"], "prompt_id": prompt, "n_tokens": 3}
            embeddings.append({**key, "vector": vector.tolist()})
    phrase = {"sample_id": "text:phrase", "modality": "text", "text": "in blue", **blank, "group": "p", "split": "test"}
    samples.append(phrase)
    vectors["text:phrase", "text" if prompts else "none"] = concepts[0].astype(np.float32)
    key = {"rep_id": "rep", "sample_id": "text:phrase", "prompt_id": "text" if prompts else "none", "n_tokens": 3}
    embeddings.append({**key, "vector": concepts[0].tolist()})
    task = {
        "task_id": "t2i",
        "task_type": "t->i",
        "query_modality": "text",
        "candidate_modality": "image",
        "query_prompt_id": "text",
        "candidate_prompt_id": "image",
        "pool_id": "pictures",
        "primary_k": 5,
        "control": "none",
        "control_of": None,
        **WHOLE,
        "description": "text to image",
    }
    held_out = [i for i in range(n) if split[i] != "train"]
    tables = {
        "samples": samples,
        "pairs": [{"image_id": f"image:{i:05d}", "text_id": f"text:{i:05d}", "split": split[i]} for i in range(n)],
        "tasks": [task],
        "queries": [
            {
                "task_id": "t2i",
                "query_id": f"q{i:05d}",
                "sample_id": f"text:{i:05d}",
                "split": split[i],
                "prompt_id": "text",
            }
            for i in held_out
        ],
        "candidates": [{"pool_id": "pictures", "split": split[i], "sample_id": f"image:{i:05d}"} for i in held_out],
    }
    _tables(dataset, tables)
    representation = {
        "rep_id": "rep",
        "model": "model",
        "layer": -1,
        "norm_position": "model",
        "pooling": "mean",
        "mask": "all",
        "attention_kind": "causal",
        "attention": "sdpa",
        "at_analysis_layer": True,
    }
    _tables(activations, {"representations": [representation], "embeddings": embeddings})
    return Artifacts(dataset, activations, vectors)


def _tables(folder: Path, tables: dict[str, list[dict[str, object]]]) -> None:
    folder.mkdir()
    for name, rows in tables.items():
        schema = pl.DataFrame(TABLES[name].arrow.empty_table()).schema
        write_table(folder, name, pl.DataFrame(rows, schema=schema), shard=0 if name == "embeddings" else None)
