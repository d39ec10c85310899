"""Sweeps, removals, attention and costs for the report's small artifacts: curves of known shape, some noise by seed."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from math import exp, log10
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_core.schema import TABLES, tables_of
from tests.report.artifacts import EXTRACTED, TASKS, Rows, method_of
from tests.report.world import ModelFolders, RunWorld

DEPTH = 12
BEST_LAYER = 9
"""Where raw embeddings retrieve best; ReAligned ones do so at the last layer."""

POOLINGS = {"mean": 1.0, "last": 0.6, "max": 0.4, "min": 0.35}
MASKS = {"all": 1.0, "no_image": 0.95, "no_prompt": 0.3, "content": 0.5}
MASKED = {"no_image": 0.8, "no_prompt": 0.4, "content": 0.3, "no_words": 0.2}
"""What one side without these tokens leaves of a hit rate; both sides without the user's text leave half of that."""
BETAS = tuple(n / 10 for n in range(11))
SHARES = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05)
RANKS = (1, 2, 4, 8, 16, 32)
SELECTIONS = {
    "attribution": 0.12,
    "energy": 0.10,
    "bridge": 0.11,
    "energy_matched": 0.03,
    "random_features": 0.005,
    "random_subspace": 0.0,
    "principal_components": 0.15,
}
DRAWN = ("energy_matched", "random_features", "random_subspace")
CANDIDATES = (1_000, 10_000, 100_000, 1_000_000)
RECIPES = ("paper", "centred")
SCORED = tuple(task_id for task_id, *_, control in TASKS if control == "none")


def with_sweeps(run: RunWorld, root: Path, repetitions: int = 2) -> RunWorld:
    """Write everything that ``lens sweep`` adds for the models of ``run``, with so many further repetitions."""
    first, *others = (
        tuple(_model(model, root / str(repetition), repetition) for model in run.models)
        for repetition in range(repetitions + 1)
    )
    return replace(run, models=first, repetitions=tuple(others))


def _model(model: ModelFolders, root: Path, repetition: int) -> ModelFolders:
    folder = root / model.name
    generative = model.kind == "generative"
    sweep, removal = _Scores(model.name, repetition), _Scores(model.name, repetition)
    if generative:
        _layers(sweep)
        _poolings(sweep)
        _masks(sweep)
        _removals(removal)
    _adaptations(sweep)
    rows = Rows({})
    for rep_id, layer, pooling, mask in _representations(model.name) if generative else ():
        place = {"layer": layer, "pooling": pooling, "mask": mask, "at_analysis_layer": layer == DEPTH}
        rows.add(
            "representations",
            rep_id=rep_id,
            model=model.name,
            norm_position="raw",
            attention_kind="causal",
            attention="sdpa",
            **place,
        )
    changed = replace(
        model,
        grid=_write(sweep.rows, folder / f"grid-{repetition}", "grid"),
        doses=_write(removal.rows, folder / f"doses-{repetition}", "doses"),
    )
    if repetition:
        return replace(changed, index=None)
    if generative:
        activations = rows.write(folder / "activations", *EXTRACTED)
        changed = replace(changed, activations=activations, attention=attention_of(model.name, folder / "attention"))
    return replace(changed, efficiency=_efficiency(model.name, folder / "efficiency"))


def _write(rows: Rows, folder: Path, stage: str) -> Path:
    return rows.write(folder, *(table.name for table in tables_of(stage)))


def _representations(model: str) -> Iterator[tuple[str, int, str, str]]:
    for layer, pooling, mask in product(range(DEPTH + 1), POOLINGS, MASKS):
        if layer == DEPTH or (pooling, mask) == ("mean", "all"):
            yield rep_id(model, layer, pooling, mask), layer, pooling, mask


def rep_id(model: str, layer: int = DEPTH, pooling: str = "mean", mask: str = "all") -> str:
    """Return a representation's id."""
    return f"{model}/L{layer}/{pooling}/{mask}"


class _Scores:
    """Systems and their scores in one artifact of one repetition."""

    def __init__(self, model: str, repetition: int) -> None:
        self.model, self.rows = model, Rows({})
        self.random = np.random.default_rng([repetition, len(model)])

    def add(self, study: str, short: str, adaptation: str, fit_on: str | None, value: float, **more: Any) -> str:
        """Add a system whose hit rates lie around ``value``, harder tasks below easier ones."""
        system_id = f"{self.model}/{short}"
        row = dict.fromkeys(TABLES["systems"].arrow.names)
        row |= {"system_id": system_id, "model": self.model, "study": study, "adaptation": adaptation}
        row |= {"fit_on": fit_on, "rep_ids": [rep_id(self.model)], "control": "none", "named": False, "seed": 0}
        row |= {"label": short} | more
        self.rows.add("systems", **row | {"method": method_of(row)})
        for place, task in enumerate(SCORED):
            own = float(np.clip(value * (0.4 + 0.3 * place) + self.random.normal(scale=0.004), 0, 1))
            score = {"value": own, "low": max(0.0, own - 0.03), "high": own + 0.03, "chance": 0.02}
            counts = {"n_queries": 40, "n_groups": 40, "n_candidates": 250}
            for split, k in product(("validation", "test"), (1, 5)):
                key = {"system_id": system_id, "task_id": task, "split": split, "metric": "hit_rate", "k": k}
                self.rows.add(
                    "retrieval_metrics",
                    **key,
                    **score if k == 5 and split == "test" else score | {"value": 0.9},
                    **counts,
                )
        return system_id

    def effect(self, system_id: str, sae: str, selection: str, delta: float, feature: int | None = None) -> None:
        """Add what a removal does to each task."""
        for task in SCORED:
            own = delta + float(self.random.normal(scale=0.004))
            key = {
                "sae_id": sae,
                "system_id": system_id,
                "selection": selection,
                "feature_id": feature,
                "task_id": task,
            }
            p = exp(-100 * abs(own))
            self.rows.add(
                "removal_effects", **key, metric="hit_rate", k=5, delta=own, low=own - 0.02, high=own + 0.02, p=p, q=p
            )


def _few(scores: _Scores, study: str, place: str, reps: list[str], raw: float, realign: float) -> None:
    more = {"rep_ids": reps}
    whitened = {"variant": "text", "beta": 0.1, "eps": 1e-5} | more
    scores.add(study, f"{place}/raw", "identity", None, raw, **more)
    scores.add(study, f"{place}/mean_removal-support", "mean_removal", "support", (raw + realign) / 2, **more)
    scores.add(study, f"{place}/realign-candidates", "realign", "candidates", realign, **whitened)
    scores.add(study, f"{place}/realign-support", "realign", "support", 0.9 * realign, **whitened)


def _layers(scores: _Scores) -> None:
    for layer in range(DEPTH + 1):
        raw = 0.03 + 0.10 * exp(-(((layer - BEST_LAYER) / 4) ** 2))
        realign = 0.05 + 0.25 * layer / DEPTH
        _few(scores, "layers", f"L{layer}", [rep_id(scores.model, layer)], raw, realign)


def _poolings(scores: _Scores) -> None:
    for (pooling, factor), (mask, share) in product(POOLINGS.items(), MASKS.items()):
        reps = [rep_id(scores.model, DEPTH, pooling, mask)]
        _few(scores, "poolings", f"{pooling}-{mask}", reps, 0.1 * factor * share, 0.3 * factor * share)


def _masks(scores: _Scores) -> None:
    places = [(mask, side, share) for mask, share in MASKED.items() for side in ("queries", "candidates")]
    for mask, side, share in (*places, ("no_words", "both", 0.5 * MASKED["no_words"])):
        reps = [rep_id(scores.model, mask="all" if mask == "no_words" else mask)]
        more = {"rep_ids": reps, "mask": mask, "side": side}
        scores.add("masks", f"{mask}-{side}/raw", "identity", None, 0.1 * share, **more)
        scores.add("masks", f"{mask}-{side}/realign-candidates", "realign", "candidates", 0.3 * share, **more)


def _adaptations(scores: _Scores) -> None:
    def add(short: str, adaptation: str, fit_on: str | None, value: float, **more: Any) -> None:
        scores.add("adaptations", f"adaptations/{short}", adaptation, fit_on, value, **more)

    add("raw", "identity", None, 0.09)
    for fit_on, factor in (("candidates", 1.0), ("support", 0.9), ("joint", 0.8)):
        add(f"mean_removal-{fit_on}", "mean_removal", fit_on, 0.18 * factor)
        add(f"zca-{fit_on}", "zca", fit_on, 0.20 * factor, beta=0.0)
        add(f"pca-{fit_on}", "pca", fit_on, 0.02 if fit_on != "joint" else 0.2)
        for beta in BETAS:
            text = {"variant": "text", "beta": beta}
            add(f"realign-b{beta}-{fit_on}", "realign", fit_on, factor * (0.3 - 0.4 * (beta - 0.4) ** 2), **text)
    for beta in BETAS:
        code = {"variant": "code", "beta": beta}
        add(f"realign-code-b{beta}-transductive", "realign", "test_queries", 0.19, **code)
        add(f"realign-code-b{beta}-support", "realign", "support", 0.17, **code)
    for rank in (32, 64, 128):
        add(f"pca-r{rank}-joint", "pca", "joint", 0.2 + rank / 2000, rank=rank)
    for fit_on, factor in (("candidates", 1.0), ("support", 0.9)):
        add(f"ledoit_wolf-{fit_on}", "ledoit_wolf", fit_on, 0.27 * factor)
        add(f"oas-{fit_on}", "oas", fit_on, 0.272 * factor)
        for beta in (0.1, 0.5):
            add(f"transport-b{beta}-{fit_on}", "transport", fit_on, (0.33 + 0.01 * beta) * factor, beta=beta)
            average = {"variant": "text", "beta": beta, "rep_ids": [rep_id(scores.model, layer) for layer in (11, 12)]}
            add(f"layer_average-b{beta}-{fit_on}", "realign", fit_on, (0.28 + 0.1 * beta) * factor, **average)


def _removals(scores: _Scores) -> None:
    for recipe in RECIPES:
        sae = f"{scores.model}/{recipe}"
        mean = scores.add("removal", f"removal/{recipe}/mean", "removal", "support", 0.1, selection="mean", sae_id=sae)
        scores.effect(mean, sae, "mean", 0.14)
        sides = f"removal/{recipe}/mean_each_side"
        each = scores.add("removal", sides, "removal", "support", 0.1, selection="mean_each_side", sae_id=sae)
        scores.effect(each, sae, "mean_each_side", 0.17)
        doses: list[tuple[str, dict[str, Any], float]] = [
            (f"share{share:g}", {"share": share, "rank": int(4096 * share)}, (log10(share) + 3) / 1.7)
            for share in SHARES
        ]
        doses += [(f"rank{rank}", {"share": 0.01, "rank": rank}, log10(rank) / 1.6) for rank in RANKS]
        doses += [(f"cumulative{n}", {"n_features": n, "rank": n}, n / 16) for n in range(1, 17)]
        for (dose, fields, strength), (selection, gain) in product(doses, SELECTIONS.items()):
            if dose.startswith("cumulative") and selection not in ("attribution", "energy", "random_features"):
                continue
            for draw in range(3) if selection in DRAWN else (0,):
                short = f"removal/{recipe}/{dose}/{selection}-draw{draw}"
                removed = {"selection": selection, "sae_id": sae, "seed": draw} | fields
                system = scores.add("removal", short, "removal", None, 0.1, **removed)
                scores.effect(system, sae, selection, gain * strength)
        single = scores.add("removal", f"removal/{recipe}/single", "removal", None, 0.1, selection="single", sae_id=sae)
        for feature in range(32):
            scores.effect(single, sae, "single", 0.05 * exp(-feature / 4), feature)


def _efficiency(model: str, folder: Path) -> Path:
    rows = Rows({})
    speeds = {"fit": 4e-6, "apply": 6e-6, "search": 1.2e-5}
    for n, (operation, speed) in product(CANDIDATES, speeds.items()):
        fixed = 0.05 if operation == "fit" else 0.0005
        measured = {"seconds": fixed + n * speed, "peak_memory_bytes": int(n * 2304 * (1 + speed * 1e5))}
        rows.add("efficiency", model=model, operation=operation, n_candidates=n, width=576, n_queries=1000, **measured)
    return _write(rows, folder, "efficiency")


def attention_of(model: str, folder: Path) -> Path:
    rows, random = Rows({}), np.random.default_rng(0)
    for modality, n, layer in product(("image", "text", "image_text"), range(3), range(1, DEPTH + 1)):
        key = {"model": model, "sample_id": f"{modality}:{n:03d}", "prompt_id": modality, "layer": layer}
        for source, strength in (("last", 1.0), ("pooled", 0.5)):
            for head in range(2):
                image = 0.0 if modality == "text" else strength * (0.5 - 0.02 * layer)
                text = 0.0 if modality == "image" else 0.2
                masses = {"image": image, "text": text, "prompt": 0.1 + 0.01 * layer}
                for role, mass in (masses | {"template": 1 - sum(masses.values())}).items():
                    rows.add("attention_mass", **key, head=head, source=source, role=role, mass=mass)
            if modality != "text":
                weights = random.dirichlet(np.full(12, 0.5)).astype(np.float32).tolist()
                grid = {"grid_h": 3, "grid_w": 4, "region": [0.0, 0.0, 1.0, 1.0]}
                rows.add("attention_maps", **key, source=source, **grid, mass=0.3 * strength, weights=weights)
            if modality == "image":
                control = 0.25 + float(random.normal(scale=0.01))
                shares = {"mass": control + strength * (0.02 * layer + 0.01 * n), "control": control}
                shares |= {"art": 0.5 * shares["mass"], "words": 0.4}
                quadrant = ("upper_left", "lower_right")[n % 2]
                rows.add("attention_quadrants", **key, source=source, quadrant=quadrant, **shares)
    return _write(rows, folder, "attention")
