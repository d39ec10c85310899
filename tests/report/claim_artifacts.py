"""A run of every study, several models and two repetitions, all numbers random: what claims are judged on in tests.

Each query of a claim must find its rows among those of other studies, tasks, cut-offs, metrics, splits and models.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipeline_core.schema import SHARDED, TABLES, tables_of
from pipeline_core.schema.parquet import write_table
from tests.report.artifacts import method_of
from tests.report.world import ModelFolders, RunWorld, SaeFolders
from tests.small import WHOLE

GENERATIVE = "maker/generative_one"
CONTRASTIVE = ("contrastive-a", "contrastive-b")
TUNED = ("tuned-a", "tuned-b")
GENERATION = TUNED[1]
"""Loaded from what the model studied is loaded from, with prompts that end otherwise."""
TASKS = {
    # task: (type, modality of the queries, primary k, control)
    "t2i": ("t->i", "text", 5, "none"),
    "i2t": ("i->t", "image", 10, "none"),
    "it2i": ("it->i", "image_text", 5, "none"),
    "it2t": ("it->t", "image_text", 5, "none"),
    "it2i_text_only": ("it->i", "text", 5, "text_only"),
}
SCORED = tuple(name for name, task in TASKS.items() if task[3] == "none")
COMPOSED = ("it2i", "it2t")
REPETITIONS = (0, 1)
LAYERS = (0, 1, 2)
QUERIES = 12
POOLINGS = ("mean", "last", "max", "min")
MASKS = ("all", "no_image", "no_prompt", "content")
BETAS = (0.0, 0.1, 0.3, 0.6, 0.9, 1.0)
REDUCTIONS = ("bridge_diagonal", "bridge_max", "bridge_abs")
DRAWN = ("energy_matched", "random_features", "random_subspace")
STRONG = ("energy", "bridge", "principal_components", "mean")


@dataclass
class World:
    """The artifacts, and the numbers in them by what they are of; hit rates are about 0.3 to 0.8 times ``scale``."""

    root: Path
    scale: float = 1.0
    models: tuple[str, ...] = (GENERATIVE, *CONTRASTIVE, *TUNED)
    repetitions: tuple[int, ...] = REPETITIONS
    layers: tuple[int, ...] = LAYERS
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))
    hits: dict[tuple[int, str, str], dict[str, float]] = field(default_factory=dict)
    families: dict[tuple[int, str, str], np.ndarray] = field(default_factory=dict)
    effects: dict[tuple[int, str, str], dict[str, float]] = field(default_factory=dict)
    comparisons: dict[tuple[int, str, str, str], dict[str, float]] = field(default_factory=dict)
    features: dict[tuple[int, str], pl.DataFrame] = field(default_factory=dict)
    curves: dict[tuple[int, str], pl.DataFrame] = field(default_factory=dict)
    overlaps: dict[tuple[int, str, float, str], float] = field(default_factory=dict)
    seconds: dict[tuple[str, int, int], float] = field(default_factory=dict)
    quadrants: list[dict[str, Any]] = field(default_factory=list)

    def run(self) -> RunWorld:
        """Write everything."""
        dataset = self._write("dataset", "dataset", {"tasks": list(_tasks())})
        first, *others = (tuple(self._models(repetition)) for repetition in self.repetitions)
        return RunWorld(dataset, first, repetitions=tuple(others))

    def mean_hit(self, repetition: int, short: str, model: str = GENERATIVE) -> float:
        """Return the mean hit rate over the tasks."""
        return float(np.mean([self.hits[repetition, f"{model}/{short}", task]["value"] for task in SCORED]))

    def by_family(self, repetition: int, system: str, task: str) -> np.ndarray:
        """Return the hits of each family of two queries."""
        return self.families[repetition, system, task]

    def _models(self, repetition: int) -> Iterator[ModelFolders]:
        for name in self.models:
            contrastive = name in CONTRASTIVE
            recipes = ("paper",) if contrastive else ("paper", "centred")
            own = f"{name.replace('/', '-')}-{repetition}"
            model = ModelFolders(
                name,
                "contrastive" if contrastive else "generative",
                self._write(
                    "activations",
                    f"{name.replace('/', '-')}",
                    {"representations": list(_representations(name, self.layers))},
                ),
                self._score("retrieval", own, repetition, name, _main(name)),
                tuple(self._sae(repetition, name, recipe) for recipe in recipes),
                grid=self._score("grid", own, repetition, name, _sweep(name, self.layers)),
                doses=self._score("doses", own, repetition, name, () if contrastive else _removal(name)),
                fine_tuned=name in TUNED,
                identity=GENERATIVE if name == GENERATION else name,
                rendering="generation" if name == GENERATION else "released",
            )
            if repetition == 0:
                model = replace(model, efficiency=self._efficiency(own, name))
                if not contrastive:
                    model = replace(model, attention=self._attention(own, name))
            yield model

    def _score(self, stage: str, own: str, repetition: int, model: str, systems: Any) -> Path:
        tables: dict[str, list[dict[str, Any]]] = {}
        rows, answered = list(systems), []
        for system in rows:
            for task, (_, _, k, _) in TASKS.items():
                answered.append((system["system_id"], task, self._answer(repetition, system["system_id"], task)))
                tables.setdefault("retrieval_metrics", []).extend(
                    self._metrics(repetition, system["system_id"], task, k)
                )
        for (system, baseline), task in product(_compared(rows), TASKS):
            place = {"system_id": system, "baseline_id": baseline, "task_id": task}
            for measure in self._tests(self.comparisons, (repetition, system, baseline, task), task):
                tables.setdefault("comparisons", []).append(place | measure)
        for system, task in product([row for row in rows if row["adaptation"] == "removal"], TASKS):
            place = {name: system[name] for name in ("sae_id", "system_id", "selection")} | {"task_id": task}
            for measure in self._tests(self.effects, (repetition, system["system_id"], task), task):
                tables.setdefault("removal_effects", []).extend(
                    place | effect for effect in (measure, measure | self._effect() | {"feature_id": 3})
                )
        frames = {"retrieval_ranks": _ranks(answered)} if answered else {}
        return self._write(stage, f"{stage}-{own}", tables | {"systems": rows}, **frames)

    def _answer(self, repetition: int, system: str, task: str) -> np.ndarray:
        """Return which queries of the test split a system answers, and keep its hits, which claims are about."""
        hit = self._found(system, task)
        self.hits[repetition, system, task] = {"value": float(hit.mean())}
        self.families[repetition, system, task] = hit.reshape(-1, 2).sum(axis=1).astype(np.float64)
        return hit

    def _found(self, system: str, task: str) -> np.ndarray:
        """Return which queries, two a family, a system answers."""
        found = self.random.uniform(size=QUERIES) < self.scale * self.random.uniform(0.3, 0.8)
        found[:4] = (*[self.scale > 0] * 3, False)
        return found

    def _metrics(self, repetition: int, system: str, task: str, primary: int) -> Iterator[dict[str, Any]]:
        pools = {"n_queries": 9, "n_groups": 9, "n_candidates": 20, "chance": 0.1}
        for split, metric, k in product(("validation", "test"), ("hit_rate", "mrr"), (1, 5, 10)):
            value = self.scale * float(self.random.uniform(0.2, 0.8))
            if (split, metric, k) == ("test", "hit_rate", primary):
                value = self.hits[repetition, system, task]["value"]
            score = {"value": value, "low": value / 2, "high": (1 + value) / 2}
            yield {"system_id": system, "task_id": task, "split": split, "metric": metric, "k": k} | score | pools

    def _tests(self, kept: dict[Any, dict[str, float]], key: Any, task: str) -> Iterator[dict[str, Any]]:
        """Yield effects on several metrics and cut-offs, and keep the one that claims are about."""
        for metric, k in product(("hit_rate", "mrr"), (1, TASKS[task][2])):
            effect = self._effect()
            if (metric, k) == ("hit_rate", TASKS[task][2]):
                kept[key] = effect
            yield {"metric": metric, "k": k, "p": effect["q"], **effect}

    def _effect(self) -> dict[str, float]:
        delta, width, q = self.random.uniform([-0.2, 0.01, 0.0], [0.2, 0.1, 0.1]).tolist()
        return {"delta": delta, "low": delta - width, "high": delta + width, "q": q}

    def _sae(self, repetition: int, model: str, recipe: str) -> SaeFolders:
        sae_id = f"{model}/{recipe}"
        key = {"sae_id": sae_id, "rep_id": f"{model}/L2/mean/all"}
        scores = self._scores(model)
        energy = scores["energy"]
        n = len(energy)
        ids = np.arange(n)
        features = pl.DataFrame(
            {
                "feature_id": ids,
                **scores,
                "modality": [None if e == 0 else m for e, m in zip(energy, scores["modality"], strict=True)],
                **dict.fromkeys(("frequency", "image_energy", "text_energy"), 0.5),
                **dict.fromkeys(("energy_rank", "attribution_rank"), 1 + ids),
                **{f"in_top_{name}": False for name in ("energy", "bridge", "attribution")},
            }
        )
        curve = pl.DataFrame({"rank": 1 + ids, "feature_share": (1 + ids) / n, "energy_share": np.cumsum(energy)})
        curve = curve.with_columns(pl.col("energy_share") / energy.sum())
        self.features[repetition, sae_id], self.curves[repetition, sae_id] = features, curve
        overlaps = []
        for share, reduction in product((0.005, 0.01, 0.05), REDUCTIONS):
            triple = float(self.random.uniform())
            self.overlaps[repetition, sae_id, share, reduction] = triple
            pairs = dict.fromkeys(("energy_attribution", "energy_bridge", "attribution_bridge"), 0.5)
            overlaps.append(
                {**key, "share": share, "bridge_reduction": reduction, "set_size": 1, **pairs, "triple": triple}
            )
        own = f"{sae_id.replace('/', '-')}-{repetition}"
        tables = {
            "features": [key | row for row in features.iter_rows(named=True)],
            "energy_curve": [key | row for row in curve.iter_rows(named=True)],
            "feature_overlap": overlaps,
        }
        folders = (self._write(stage, f"{stage}-{own}", tables) for stage in ("sae", "codes", "features"))
        return SaeFolders(sae_id, *folders)

    def _scores(self, model: str) -> dict[str, np.ndarray]:
        """Return energy, modality, attribution and every reduction of the bridge of each feature; five are dead."""
        names = ("energy", "modality", "attribution", *REDUCTIONS)
        scores = {name: self.random.uniform(size=30) for name in names}
        scores["energy"][-5:] = 0.0
        return scores

    def _efficiency(self, own: str, model: str) -> Path:
        rows = []
        conditions = ((1000, 10), (1000, 20), (100_000, 10))
        for operation, (n, queries) in product(("fit", "apply", "search", "product"), conditions):
            seconds = self._seconds(operation)
            if model == GENERATIVE:
                self.seconds[operation, n, queries] = seconds
            size = {"width": 8, "n_queries": queries, "peak_memory_bytes": 1}
            rows.append({"model": model, "operation": operation, "n_candidates": n, "seconds": seconds, **size})
        return self._write("efficiency", f"efficiency-{own}", {"efficiency": rows})

    def _seconds(self, operation: str) -> float:
        return float(self.random.uniform(1, 2))

    def _masses(self) -> dict[str, float]:
        """Return the attention that falls on the quadrant with the art, and under a shuffled picture."""
        return {"mass": float(self.random.uniform()), "control": float(self.random.uniform())}

    def _shown(self, layer: int) -> dict[str, float]:
        """Return the attention of a layer that goes to the art, and to the words."""
        return {"art": float(self.random.uniform()), "words": float(self.random.uniform())}

    def _attention(self, own: str, model: str) -> Path:
        rows = [
            {
                "model": model,
                "sample_id": f"image:{n}",
                "prompt_id": "image",
                "layer": layer,
                "source": source,
                "quadrant": ("upper_left", "lower_right")[n % 2],
                **self._shown(layer),
            }
            | self._masses()
            for n, layer, source in product(range(6), self.layers, ("last", "pooled"))
        ]
        if model == GENERATIVE:
            self.quadrants = rows
        return self._write("attention", f"attention-{own}", {"attention_quadrants": rows})

    def _write(self, stage: str, name: str, rows: dict[str, list[dict[str, Any]]], **frames: pl.DataFrame) -> Path:
        folder = self.root / stage / name
        folder.mkdir(parents=True, exist_ok=True)
        for table in tables_of(stage):
            schema = pl.DataFrame(TABLES[table.name].arrow.empty_table()).schema
            shard = 0 if table.name in SHARDED else None
            found = frames.get(table.name, pl.DataFrame(rows.get(table.name, []), schema=schema))
            write_table(folder, table.name, found, shard)
        return folder


def _compared(systems: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield more pairs than any claim asks for."""
    leading = {
        "main": ("realign",),
        "poolings": ("mean-all/raw", "mean-content/raw", "max-all/raw"),
        "removal": ("attribution",),
    }
    for system, baseline in product(systems, systems):
        marks = leading.get(system["study"], ())
        alike = system["study"] != "removal" or all(system[name] == baseline[name] for name in ("sae_id", "share"))
        if system != baseline and alike and any(mark in system["system_id"] for mark in marks):
            yield system["system_id"], baseline["system_id"]


def _ranks(answered: list[tuple[str, str, np.ndarray]]) -> pl.DataFrame:
    """Return the ranks of all splits: every query of the test split, and the first of them again as validation."""
    of_test = len(answered[0][-1])
    queries = [*range(of_test), 0]
    splits = ["test"] * of_test + ["validation"]
    primary = np.array([TASKS[task][2] for _, task, _ in answered])
    found = np.array([hit for *_, hit in answered])[:, queries]
    systems, tasks = ([answer[n] for answer in answered for _ in queries] for n in (0, 1))
    return pl.DataFrame(
        {
            "system_id": systems,
            "task_id": tasks,
            "split": splits * len(answered),
            "query_id": [f"q{query}" for query in queries] * len(answered),
            "family": [f"f{query // 2}" for query in queries] * len(answered),
            "first_relevant_rank": np.where(found, primary[:, None], primary[:, None] + 1).astype(np.int64).ravel(),
            "n_relevant": np.ones(found.size, np.int32),
        }
    )


def _tasks() -> Iterator[dict[str, Any]]:
    for name, (task_type, modality, k, control) in TASKS.items():
        prompts = {"query_prompt_id": "query", "candidate_prompt_id": "candidate", "pool_id": name}
        told = {"control": control, "control_of": None if control == "none" else "it2i", "description": name} | WHOLE
        sides = {"query_modality": modality, "candidate_modality": "image"}
        yield {"task_id": name, "task_type": task_type, "primary_k": k, **sides, **prompts, **told}


def _representations(model: str, layers: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    for layer, pooling, mask in product(layers, POOLINGS, MASKS):
        if layer == layers[-1] or (pooling, mask) == ("mean", "all"):
            yield {
                "rep_id": f"{model}/L{layer}/{pooling}/{mask}",
                "model": model,
                "layer": layer,
                "norm_position": "final_norm" if layer == layers[-1] else "raw",
                "pooling": pooling,
                "mask": mask,
                "attention_kind": "causal",
                "attention": "sdpa",
                "at_analysis_layer": layer == layers[-1],
            }


def _system(
    model: str, study: str, short: str, adaptation: str, fit_on: str | None = None, **more: Any
) -> dict[str, Any]:
    row = dict.fromkeys(TABLES["systems"].arrow.names)
    row |= {"system_id": f"{model}/{short}", "model": model, "study": study, "adaptation": adaptation, "fit_on": fit_on}
    row |= {"rep_ids": [f"{model}/L2/mean/all"], "control": "none", "named": True, "seed": 0}
    row |= {"label": short}
    if adaptation == "realign":
        row |= {"variant": "text", "beta": 0.1}
    row |= more
    return row | {"method": method_of(row)}


def _main(model: str) -> Iterator[dict[str, Any]]:
    def main(short: str, adaptation: str, fit_on: str | None = None, **more: Any) -> dict[str, Any]:
        return _system(model, "main", short, adaptation, fit_on, **more)

    yield main("raw", "identity")
    yield main("mean_removal", "mean_removal", "candidates")
    yield main("mean_removal-support", "mean_removal", "support")
    yield main("realign", "realign", "candidates")
    yield main("realign-support", "realign", "support")
    yield main("realign-code-transductive", "realign", "test_queries", variant="code")
    yield main("realign-shuffled_pairs", "realign", "candidates", control="shuffled_pairs")
    yield main("zca", "zca", "candidates")
    if model not in CONTRASTIVE:
        for recipe, selection in product(("paper", "centred"), ("attribution", "energy_matched")):
            removed = {"selection": selection, "sae_id": f"{model}/{recipe}", "share": 0.01, "rank": 4}
            yield main(f"removal-{recipe}-{selection}", "removal", **removed)


def _sweep(model: str, layers: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    ways = (("raw", "identity", None), ("centred", "mean_removal", "support"))
    ways += (("realign", "realign", "candidates"), ("realign-support", "realign", "support"))
    if model not in CONTRASTIVE:
        for layer, (short, *way) in product(layers, ways):
            yield _system(model, "layers", f"L{layer}/{short}", *way, rep_ids=[f"{model}/L{layer}/mean/all"])
        for pooling, mask, (short, *way) in product(POOLINGS, MASKS, ways):
            rep_ids = [f"{model}/L{layers[-1]}/{pooling}/{mask}"]
            yield _system(model, "poolings", f"{pooling}-{mask}/{short}", *way, rep_ids=rep_ids)

    def adapted(short: str, *way: Any, **more: Any) -> dict[str, Any]:
        return _system(model, "adaptations", f"adaptations/{short}", *way, **more)

    yield adapted("raw", "identity")
    for fit_on in ("candidates", "support", "joint"):
        for beta in BETAS:
            yield adapted(f"realign-b{beta}-{fit_on}", "realign", fit_on, beta=beta)
            yield adapted(f"code-b{beta}-{fit_on}", "realign", fit_on, beta=beta, variant="code")
        for adaptation in ("zca", "pca", "shared_pca", "oas"):
            yield adapted(f"{adaptation}-{fit_on}", adaptation, fit_on)
        layers = [f"{model}/L{layer}/mean/all" for layer in LAYERS[1:]]
        yield adapted(f"layer_average-{fit_on}", "realign", fit_on, rep_ids=layers)
    yield adapted("pca-joint-r4", "pca", "joint", rank=4)
    yield adapted("trained_head", "trained_head")


def _removal(model: str) -> Iterator[dict[str, Any]]:
    yield _system(model, "removal", "removal/raw", "identity")
    for recipe, share in product(("paper", "centred"), (0.01, 0.05)):
        for selection in ("attribution", *DRAWN, *STRONG):
            for draw in (0, 1) if selection in DRAWN else (0,):
                short = f"removal/{recipe}/share{share}/{selection}-draw{draw}"
                removed = {"selection": selection, "sae_id": f"{model}/{recipe}", "share": share, "rank": 4}
                yield _system(model, "removal", short, "removal", **removed)
