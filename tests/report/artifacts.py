"""A small, plausible set of artifacts for the report: coloured shapes, two models, drawn from one seed.

Ranks, hit rates and result lists agree with each other; feature statistics are random.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image, ImageDraw

from pipeline_core.dataset.images import write_images
from pipeline_core.report.inputs import RunFacts, StageFact
from pipeline_core.schema import SHARDED, TABLES
from pipeline_core.schema.parquet import write_table
from tests.report.world import ModelFolders, RunWorld, SaeFolders
from tests.small import WHOLE

COLOURS = ("red", "orange", "gold", "green", "teal", "blue", "purple", "brown")
SHAPES = ("circle", "square", "triangle", "star", "ring")
HOSTILE = '<script>alert("x")</script> & <b>bold</b>'
"""A caption that must stay text."""

TASKS = (
    ("t2i", "t->i", "text", "image", "none"),
    ("i2t", "i->t", "image", "text", "none"),
    ("t2t_name_keywords", "t->t", "text", "text", "none"),
    ("i2i", "i->i", "image", "image", "none"),
    ("it2i", "it->i", "image_text", "image", "none"),
    ("it2i_image_only", "it->i", "image", "image", "image_only"),
    ("it2i_text_only", "it->i", "text", "image", "text_only"),
)
N_FEATURES = 400
QUERIES = 40

SYSTEMS = (
    # short, adaptation, variant, fit_on, control, label, strength
    ("raw", "identity", None, None, "none", "raw", 0.2),
    ("mean_removal", "mean_removal", None, "candidates", "none", "mean removed", 1.4),
    ("realign", "realign", "text", "candidates", "none", "ReAlign", 1.9),
    ("realign-support", "realign", "text", "support", "none", "ReAlign, support statistics", 1.6),
    ("pca", "pca", None, "candidates", "none", "PCA whitening", 0.1),
    ("realign-shuffled_pairs", "realign", "text", "candidates", "shuffled_pairs", "ReAlign, pairs shuffled", 0.0),
)
SELECTIONS = {"attribution": 0.05, "energy_matched": 0.01, "random_subspace": 0.0, "principal_components": 0.08}


EXTRACTED = ("representations", "long_texts", "refused")
"""Tables of activations that a report asks."""

METHODS = {
    "identity": "raw",
    "mean_removal": "mean removed",
    "realign": "ReAlign",
    "pca": "PCA",
    "zca": "ZCA",
    "ledoit_wolf": "Ledoit-Wolf shrinkage",
    "oas": "OAS shrinkage",
    "transport": "optimal transport",
    "removal": "features removed",
}


def method_of(system: Mapping[str, Any]) -> str:
    """Name a system's method as the stages do: the adaptation, and what tells it from its kin."""
    method = METHODS.get(system["adaptation"], system["adaptation"])
    if len(system["rep_ids"]) > 1:
        method = f"{method} averaged over layers"
    if system["adaptation"] == "transport" or len(system["rep_ids"]) > 1:
        return f"{method}, beta {system['beta']:g}"
    return f"{method}, rank {system['rank']}" if system["adaptation"] == "pca" and system["rank"] else method


@dataclass
class Rows:
    """Rows of several tables, written into an artifact at the end."""

    tables: dict[str, list[dict[str, Any]]]

    def add(self, table: str, **row: Any) -> None:
        self.tables.setdefault(table, []).append(row)

    def write(self, folder: Path, *names: str) -> Path:
        folder.mkdir(parents=True)
        for name in names:
            schema = pl.DataFrame(TABLES[name].arrow.empty_table()).schema
            rows = pl.DataFrame(self.tables.get(name, []), schema=schema)
            write_table(folder, name, rows, shard=0 if name in SHARDED else None)
        return folder


def make_run(root: Path, hostile: bool = False, recipes: tuple[str, ...] = ("paper", "centred")) -> RunWorld:
    """Write the artifacts of two models below ``root``; a ``hostile`` data set has captions in HTML."""
    dataset = _dataset(root / "dataset", hostile)
    mllm = _model(root, "reference-mllm", "generative", recipes, 0.0, (1.2, 1.0))
    contrastive = _model(root, "reference-contrastive", "contrastive", ("paper",), 2.2, (2.0, 2.5))
    stages = [("dataset", 3.1), ("activations/reference-mllm", 214.0), ("sae/reference-mllm/paper", 96.5)]
    run = RunFacts(
        tuple(StageFact(name, name.split("/")[0], "0123456789abcdef", seconds) for name, seconds in stages),
        tuple(_contract(table, held) for table, held in (("samples", True), ("embeddings", True), ("codes", False))),
    )
    return RunWorld(dataset, (mllm, contrastive), run)


def _contract(table: str, held: bool) -> dict[str, Any]:
    return {
        "artifact": "dataset",
        "table_name": table,
        "column_name": "values",
        "expectation": "expect_column_min_to_be_between",
        "success": held,
        "severity": "warning",
        "observed": "0.1",
        "reason": "codes are positive",
    }


def _names(hostile: bool) -> list[str]:
    names = [f"{colour} {shape}" for colour, shape in product(COLOURS, SHAPES)]
    return [HOSTILE, *names[1:]] if hostile else names


def _dataset(folder: Path, hostile: bool) -> Path:
    rows = Rows({})
    names = _names(hostile)
    art = folder.parent / "art"
    art.mkdir(parents=True)
    paths = [_draw(art, colour, shape) for colour, shape in product(COLOURS, SHAPES)]
    for n, name in enumerate(names):
        picture = {"image_ref": f"parquet:images.parquet#{n}", "sha256": f"{n:064x}", "width": 72, "height": 72}
        blank = dict.fromkeys(picture)
        common = {"group": str(n), "split": "test"}
        rows.add("samples", sample_id=f"image:{n:03d}", modality="image", text=None, **picture, **common)
        rows.add("samples", sample_id=f"text:{n:03d}", modality="text", text=name, **blank, **common)
        rows.add("samples", sample_id=f"image_text:{n:03d}", modality="image_text", text="in blue", **picture, **common)
        rows.add("pairs", image_id=f"image:{n:03d}", text_id=f"text:{n:03d}", split="test")
    for task_id, task_type, query, candidate, control in TASKS:
        rows.add(
            "tasks",
            task_id=task_id,
            task_type=task_type,
            query_modality=query,
            candidate_modality=candidate,
            query_prompt_id=query,
            candidate_prompt_id=candidate,
            pool_id=task_id,
            primary_k=5,
            control=control,
            control_of=None if control == "none" else "it2i",
            description=f"From {query} to {candidate}, among {len(names)}.",
            **WHOLE,
        )
        for n in range(QUERIES):
            key = {"task_id": task_id, "query_id": f"q{n:03d}"}
            rows.add("queries", **key, sample_id=f"{query}:{n:03d}", split="test", prompt_id=query)
            rows.add("candidates", pool_id=task_id, split="test", sample_id=f"{candidate}:{n:03d}")
            rows.add("qrels", **key, sample_id=f"{candidate}:{n:03d}", relevance=1)
    rows.add("prompts", prompt_id="text", text="Summarize the above sentence in one word:")
    rows.add("quarantine", row="17", reason="the picture cannot be read")
    rows.write(folder, *_tables("dataset"))
    write_images(folder, paths)
    return folder


def _draw(folder: Path, colour: str, shape: str) -> Path:
    picture = Image.new("RGB", (72, 72), "white")
    pen = ImageDraw.Draw(picture)
    match shape:
        case "circle":
            pen.ellipse((8, 8, 64, 64), colour)
        case "square":
            pen.rectangle((10, 10, 62, 62), colour)
        case "triangle":
            pen.regular_polygon((36, 40, 32), 3, fill=colour)
        case "star":
            pen.regular_polygon((36, 36, 30), 4, 45, colour)
            pen.regular_polygon((36, 36, 30), 4, 0, colour)
        case _:
            pen.ellipse((8, 8, 64, 64), outline=colour, width=12)
    path = folder / f"{colour}-{shape}.png"
    picture.save(path)
    return path


def _model(
    root: Path, name: str, kind: Any, recipes: tuple[str, ...], strength: float, beta: tuple[float, float]
) -> ModelFolders:
    random = np.random.default_rng(len(name))
    rows = Rows({})
    rows.add(
        "representations",
        rep_id=f"{name}-rep",
        model=name,
        layer=-1,
        norm_position="model",
        pooling="mean",
        mask="all",
        attention_kind="causal",
        attention="sdpa",
        at_analysis_layer=True,
    )
    cut = {"n_tokens": 90, "n_kept": 77, "kept": "0" * 32}
    rows.add("long_texts", model=name, sample_id="name:0", prompt_id="none", **cut)
    _retrieval(rows, name, recipes, strength, random)
    for adaptation, task in product(("raw", "realign"), ("t2i", "i2t")):
        rows.add(
            "index_recall",
            rep_id=f"{name}-rep",
            adaptation=adaptation,
            task_id=task,
            kind="exact",
            k=10,
            recall=1.0,
            n_queries=QUERIES,
            queries_per_second=240.0,
        )
    folder = root / name
    saes = []
    for recipe in recipes:
        own = Rows({})
        _features(own, f"{name}/{recipe}", f"{name}-rep", beta, random)
        parts = (own.write(folder / recipe / stage, *_tables(stage)) for stage in ("sae", "codes", "features"))
        saes.append(SaeFolders(f"{name}/{recipe}", *parts))
    return ModelFolders(
        name,
        kind,
        rows.write(folder / "activations", *EXTRACTED),
        rows.write(folder / "retrieval", *_tables("retrieval")),
        tuple(saes),
        rows.write(folder / "index", "index_recall"),
    )


def _tables(stage: str) -> list[str]:
    return [name for name, table in TABLES.items() if table.stage == stage]


def _system(rows: Rows, model: str, short: str, label: str, **values: Any) -> str:
    blank = dict.fromkeys(("variant", "fit_on", "beta", "eps", "selection", "sae_id", "share", "rank"))
    row = {"study": "main", "control": "none", "named": True, "seed": 0, **blank, **values}
    row |= {"system_id": f"{model}/{short}", "model": model, "rep_ids": [f"{model}-rep"], "label": label}
    rows.add("systems", **row, method=method_of(row))
    return f"{model}/{short}"


def _retrieval(rows: Rows, model: str, recipes: tuple[str, ...], strength: float, random: np.random.Generator) -> None:
    for short, adaptation, variant, fit_on, control, label, gain in SYSTEMS:
        kinds = {"adaptation": adaptation, "variant": variant, "fit_on": fit_on, "control": control}
        system_id = _system(rows, model, short, label, **kinds)
        for task_id, _, _, candidate, _ in TASKS:
            scores = random.normal(size=(QUERIES, QUERIES)) + (strength + gain) * np.eye(QUERIES)
            order = np.argsort(-scores, axis=1)
            ranks = 1 + (order == np.arange(QUERIES)[:, None]).argmax(axis=1)
            for n, rank in enumerate(ranks):
                key = {"system_id": system_id, "task_id": task_id, "query_id": f"q{n:03d}"}
                ranked = {"first_relevant_rank": int(rank), "n_relevant": 1, "family": f"f{n}"}
                rows.add("retrieval_ranks", **key, split="test", **ranked)
                for place, column in enumerate(order[n, :5].tolist()):
                    hit = {"sample_id": f"{candidate}:{column:03d}", "relevant": column == n}
                    rows.add("retrieval_hits", **key, rank=place + 1, score=float(scores[n, column]), **hit)
            for k in (1, 5, 10):
                value = float((ranks <= k).mean())
                spread = 1.96 * (value * (1 - value) / QUERIES) ** 0.5
                rows.add(
                    "retrieval_metrics",
                    system_id=system_id,
                    task_id=task_id,
                    split="test",
                    metric="hit_rate",
                    k=k,
                    value=value,
                    low=max(0.0, value - spread),
                    high=min(1.0, value + spread),
                    n_queries=QUERIES,
                    n_groups=QUERIES,
                    n_candidates=QUERIES,
                    chance=k / QUERIES,
                )
            if short not in ("raw", "realign-shuffled_pairs"):
                pair = {"system_id": system_id, "baseline_id": f"{model}/raw", "task_id": task_id}
                rows.add("comparisons", **pair, metric="hit_rate", k=5, **_effect(gain / 6, random))
    for recipe, (selection, delta) in product(recipes, SELECTIONS.items()):
        label = f"{selection} removed ({recipe})"
        kinds = {"adaptation": "removal", "selection": selection, "sae_id": f"{model}/{recipe}", "named": False}
        system_id = _system(rows, model, f"removal-{recipe}-{selection}", label, rank=4, share=0.01, **kinds)
        place = {"sae_id": f"{model}/{recipe}", "system_id": system_id}
        for task_id, *_ in TASKS:
            which = {"selection": selection, "feature_id": None, "task_id": task_id}
            rows.add("removal_effects", **place, **which, metric="hit_rate", k=5, **_effect(delta, random))
    for recipe, feature in product(recipes, range(12)):
        place = {"sae_id": f"{model}/{recipe}", "system_id": f"{model}/raw", "selection": "single"}
        effect = _effect(0.0, random)
        rows.add("removal_effects", **place, feature_id=feature, task_id="t2i", metric="hit_rate", k=5, **effect)


def _effect(delta: float, random: np.random.Generator) -> dict[str, float]:
    value = delta + float(random.normal(scale=0.02))
    p = float(np.exp(-40 * abs(value)))
    return {"delta": value, "low": value - 0.04, "high": value + 0.04, "p": p, "q": min(1.0, 1.5 * p)}


def _features(rows: Rows, sae_id: str, rep_id: str, beta: tuple[float, float], random: np.random.Generator) -> None:
    modality = random.beta(*beta, size=N_FEATURES)
    energy = np.sort(random.lognormal(-2, 2, size=N_FEATURES))[::-1]
    energy[-20:] = 0.0
    attribution = energy * random.normal(1.0, 0.3, size=N_FEATURES)
    rank = np.argsort(np.argsort(-attribution, kind="stable"), kind="stable") + 1
    key = {"sae_id": sae_id, "rep_id": rep_id}
    for f in range(N_FEATURES):
        rows.add(
            "features",
            **key,
            feature_id=f,
            frequency=0.9 if f < 6 else float(random.uniform(0, 0.09)),
            energy=float(energy[f]),
            energy_rank=f + 1,
            image_energy=float(energy[f] * (1 - modality[f])),
            text_energy=float(energy[f] * modality[f]),
            modality=float(modality[f]) if energy[f] > 0 else None,
            bridge_diagonal=float(energy[f]),
            bridge_max=float(energy[f] / 2),
            bridge_abs=float(energy[f] * 3),
            attribution=float(attribution[f]),
            attribution_rank=int(rank[f]),
            in_top_energy=f < 4,
            in_top_bridge=f < 4,
            in_top_attribution=bool(rank[f] <= 4),
        )
        if f < 40:
            for kind in ("image", "text"):
                for place, n in enumerate(random.permutation(len(COLOURS) * len(SHAPES))[:6].tolist()):
                    sample = {"sample_id": f"{kind}:{n:03d}", "prompt_id": kind, "value": float(9 - place)}
                    rows.add("feature_examples", **key, feature_id=f, modality=kind, rank=place + 1, **sample)
    total = np.cumsum(energy) / energy.sum()
    for f in range(N_FEATURES):
        share = {"feature_share": (f + 1) / N_FEATURES, "energy_share": float(total[f])}
        rows.add("energy_curve", **key, rank=f + 1, **share)
    for share, reduction in product((0.01, 0.05), ("bridge_diagonal", "bridge_max", "bridge_abs")):
        names = ("energy_attribution", "energy_bridge", "attribution_bridge", "triple")
        overlap = dict(zip(names, random.uniform(0.2, 0.9, size=4).tolist(), strict=True))
        size = int(np.ceil(share * N_FEATURES))
        rows.add("feature_overlap", **key, share=share, bridge_reduction=reduction, set_size=size, **overlap)
    for kind, fvu in (("all", 0.21), ("image", 0.18), ("text", 0.24)):
        quality = {"fvu": fvu, "cosine": 0.99, "l0": 31.2}
        rows.add("reconstruction", **key, modality=kind, n_vectors=80, **quality)
    log = {"loss": 0.1, "fvu": 0.15, "l0": 31.0, "dead_share": 0.05, "learning_rate": 8e-4, "tokens_per_second": 1e4}
    rows.add("sae_training", sae_id=sae_id, step=10, epoch=5, **log)
    counts = {"n_samples": 80, "n_tokens": 4000, "held_out_tokens": 0}
    rows.add("sae_data", sae_id=sae_id, left_out="", **counts)
