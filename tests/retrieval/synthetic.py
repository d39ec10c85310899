"""A small study on disk: pictures and texts of one latent space, with a modality gap, in the artifacts' own format."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from safetensors.numpy import save_file

from pipeline_core.retrieval.saes import SaeInput
from pipeline_core.retrieval.settings import ScoringSettings
from pipeline_core.retrieval.study import Bench
from pipeline_core.schema.parquet import read_table, write_table
from pipeline_core.settings import Section
from pipeline_core.stage import Progress
from tests.limits import write_limits
from tests.small import WHOLE

SPLITS = {"support": 40, "validation": 30, "test": 50}
WIDTH, N_FEATURES = 16, 64


@dataclass(frozen=True)
class Study:
    dataset: Path
    activations: Path
    saes: tuple[SaeInput, ...]

    def bench(
        self,
        folder: Path,
        scoring: ScoringSettings,
        adaptations: Section,
        progress: Progress = lambda done, total: None,
    ) -> Bench:
        """Return what a stage that scores is given, to write into a folder."""
        return Bench(self.activations, self.dataset, "last", self.saes, scoring, adaptations, folder, progress)


def write_study(root: Path, items: dict[str, int], width: int, n_features: int) -> Study:
    """Write tasks t2i (one answer each) and i2i (two variants of a base; the query's own picture excluded)."""
    rng = np.random.default_rng(7)
    dataset, activations, sae, features = (root / name for name in ("dataset", "activations", "sae", "features"))
    for folder in (dataset, activations, sae, features):
        folder.mkdir(parents=True)
    ids = [(split, f"{split}{n:04d}") for split, count in items.items() for n in range(count)]
    _write_dataset(dataset, ids)
    _write_activations(activations, ids, rng, width)
    _write_sae(sae, features, rng, width, n_features)
    return Study(dataset, activations, (SaeInput("model/paper", sae, features),))


def _write_dataset(folder: Path, ids: list[tuple[str, str]]) -> None:
    samples, queries, candidates, qrels, exclusions = [], [], [], [], []
    families: dict[str, list[str]] = {}
    for split, key in ids:
        families.setdefault(f"{split}/{int(key[-4:]) // 3}", []).append(key)
    for split, key in ids:
        family = f"{split}/{int(key[-4:]) // 3}"
        shared = {"image_ref": None, "sha256": None, "width": None, "height": None, "split": split}
        shared["group"] = family
        samples += [
            {"sample_id": f"image:{key}", "modality": "image", "text": None, **shared},
            {"sample_id": f"text:{key}", "modality": "text", "text": key, **shared},
        ]
        for task, kind in (("t2i", "text"), ("i2i", "image")):
            asked = {"task_id": task, "query_id": key, "sample_id": f"{kind}:{key}", "split": split}
            queries.append(asked | {"prompt_id": kind})
            candidates.append({"pool_id": task, "split": split, "sample_id": f"image:{key}"})
        qrels.append({"task_id": "t2i", "query_id": key, "sample_id": f"image:{key}", "relevance": 1})
        exclusions.append({"task_id": "i2i", "query_id": key, "sample_id": f"image:{key}"})
        qrels += [
            {"task_id": "i2i", "query_id": key, "sample_id": f"image:{other}", "relevance": 1}
            for other in families[family]
            if other != key
        ]
    tasks = [
        {
            "task_id": task,
            "task_type": kind,
            "query_modality": modality,
            "candidate_modality": "image",
            "query_prompt_id": modality,
            "candidate_prompt_id": "image",
            "pool_id": task,
            "primary_k": 5,
            "control": "none",
            "control_of": None,
            "description": task,
            **WHOLE,
        }
        for task, kind, modality in (("t2i", "t->i", "text"), ("i2i", "i->i", "image"))
    ]
    # The study has no samples of train: support's pairs stand for train's.
    pairs = [{"image_id": f"image:{key}", "text_id": f"text:{key}"} for split, key in ids if split == "support"]
    rows = {
        "samples": samples,
        "pairs": [pair | {"split": "train"} for pair in pairs],
        "queries": queries,
        "candidates": candidates,
        "qrels": qrels,
        "exclusions": exclusions,
        "tasks": tasks,
    }
    for name, table in rows.items():
        write_table(folder, name, pl.DataFrame(table, infer_schema_length=None))


def _write_activations(folder: Path, ids: list[tuple[str, str]], rng: np.random.Generator, width: int) -> None:
    meaning = rng.standard_normal((len(ids), width)) * np.geomspace(2.0, 0.3, width)
    embeddings = []
    for modality in ("image", "text"):
        gap = 30.0 * rng.standard_normal(width)
        vectors = meaning + gap + 0.3 * rng.standard_normal(meaning.shape)
        embeddings += [
            {
                "rep_id": "last",
                "sample_id": f"{modality}:{key}",
                "prompt_id": modality,
                "n_tokens": 4,
                "vector": vector.tolist(),
            }
            for (_, key), vector in zip(ids, vectors, strict=True)
        ]
    write_table(folder, "embeddings", pl.DataFrame(embeddings), shard=0)
    representation = {
        "rep_id": "last",
        "model": "model",
        "layer": 4,
        "norm_position": "final_norm",
        "pooling": "mean",
        "mask": "all",
        "attention_kind": "causal",
        "attention": "sdpa",
        "at_analysis_layer": True,
    }
    write_table(folder, "representations", pl.DataFrame([representation]))
    write_limits(folder)


def _write_sae(sae: Path, features: Path, rng: np.random.Generator, width: int, n_features: int) -> None:
    dictionary = rng.standard_normal((n_features, width)).astype(np.float32)
    dictionary /= np.linalg.norm(dictionary, axis=1, keepdims=True)
    save_file({"W_dec": dictionary}, sae / "sae_weights.safetensors")
    energy = np.sort(rng.exponential(size=n_features))[::-1]
    ranks = np.argsort(np.argsort(-(energy + 0.1 * rng.standard_normal(n_features)))) + 1
    statistics = {
        "sae_id": ["model/paper"] * n_features,
        "rep_id": ["last"] * n_features,
        "feature_id": np.arange(n_features),
        "frequency": [0.5] * n_features,
        "energy": energy,
        "energy_rank": np.arange(n_features) + 1,
        "image_energy": energy,
        "text_energy": energy,
        "modality": [0.5] * n_features,
        "bridge_diagonal": energy,
        "bridge_max": energy,
        "bridge_abs": energy,
        "attribution": 1.0 / ranks,
        "attribution_rank": ranks,
        "in_top_energy": [False] * n_features,
        "in_top_bridge": [False] * n_features,
        "in_top_attribution": [False] * n_features,
    }
    write_table(features, "features", pl.DataFrame(statistics))


def write_sweep_study(root: Path) -> Study:
    """Write the study with five layers and all poolings and masks, and a control of task t2i.

    Each layer is less noisy than the one below; of the poolings, the mean is least noisy, and the content alone.
    """
    study = write_study(root, SPLITS, WIDTH, N_FEATURES)
    analysed = read_table(study.activations, "representations").row(0, named=True)
    base = read_table(study.activations, "embeddings")
    vectors = np.array(base["vector"].to_list(), dtype=np.float32)
    keys = [(layer, "mean", "all", 4.0 - layer) for layer in range(4)]
    keys += [
        (4, pooling, mask, noise * (0.5 if mask == "content" else 1.0))
        for pooling, noise in (("mean", 1.0), ("last", 2.0), ("max", 3.0), ("min", 3.0))
        for mask in ("all", "no_image", "no_prompt", "content")
        if (pooling, mask) != ("mean", "all")
    ]
    rng = np.random.default_rng(11)
    rows = [analysed]
    for shard, (layer, pooling, mask, noise) in enumerate(keys, start=1):
        rep_id = f"L{layer}/{pooling}/{mask}"
        at_analysis = {"at_analysis_layer": layer == analysed["layer"]}
        rows.append(analysed | {"rep_id": rep_id, "layer": layer, "pooling": pooling, "mask": mask} | at_analysis)
        noisy = vectors + noise * rng.standard_normal(vectors.shape).astype(np.float32)
        embeddings = base.with_columns(rep_id=pl.lit(rep_id), vector=pl.Series(noisy.tolist()))
        write_table(study.activations, "embeddings", embeddings, shard=shard)
    write_table(study.activations, "representations", pl.DataFrame(rows))
    _add_control(study.dataset)
    return study


def _add_control(dataset: Path) -> None:
    control = {"task_id": pl.lit("t2i_text_only")}
    for name in ("tasks", "queries", "qrels"):
        table = read_table(dataset, name)
        own = table.filter(task_id="t2i").with_columns(**control)
        if name == "tasks":
            own = own.with_columns(control=pl.lit("text_only"), control_of=pl.lit("t2i"))
        write_table(dataset, name, pl.concat([table, own]))
