"""A world in which every claim is true and one in which every claim is false: the rules say so in both."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from pipeline_core.report.claims import judge
from pipeline_core.report.facts import Facts
from tests.report.claim_artifacts import CONTRASTIVE, GENERATION, GENERATIVE, REDUCTIONS, TUNED, World

FAMILIES, FEATURES, LAYERS = 120, 600, 30


@dataclass
class Simulated(World):
    """Hit rates, features, costs and attention as the claims have them, or the other way round."""

    true: bool = True

    def _rate(self, system: str) -> float:
        """Return the hit rate of a system: what the claims say is good finds much in the true world."""
        model = next(name for name in self.models if system.startswith(f"{name}/"))
        short = system.removeprefix(f"{model}/")
        if model not in (GENERATIVE, GENERATION):
            contrastive, tuned = (0.8, 0.55) if self.true else (0.55, 0.9)
            return contrastive if model in CONTRASTIVE else tuned
        good = self._is_good(short)
        if short.startswith("mean-no_image/"):
            good = self.true
        if short.startswith(("mean-no_prompt/", "mean-content/")):
            return 0.05 if self.true else 0.2
        layer = self._layer(short)
        if layer is not None and layer != LAYERS - 1:
            return (0.05 if self.true else 0.5) + 0.1 * place(layer)
        if short == "raw":
            return 0.25 if self.true else 0.45
        return 0.6 if good == self.true else 0.15

    @staticmethod
    def _is_good(short: str) -> bool:
        """Say whether the claims have it above its rivals."""
        good = ("mean-all/", "mean-no_image/", f"L{LAYERS - 1}/", "removal-paper-attribution", "realign")
        if short.startswith("adaptations/"):
            return any(f"/realign-b{beta}-" in short for beta in (0.1, 0.3, 0.6))
        return short.startswith(good) or "/attribution-" in short

    @staticmethod
    def _layer(short: str) -> int | None:
        """Return which layer a system of the study of layers rests on."""
        found = re.match(r"L(\d+)/", short)
        return int(found[1]) if found else None

    def _shown(self, layer: int) -> dict[str, float]:
        """Return attention that goes to the art where the layer finds much, in the true world alone."""
        found = (1.0 if self.true else 0.0) if layer == LAYERS - 1 else place(layer)
        return {"art": 0.2 + 0.6 * (found if self.true else 1 - found), "words": 0.5}

    def _found(self, system: str, task: str) -> np.ndarray:
        if "/adaptations/realign-b0." in system and not self.true:
            # Not flat: what is not the paper's shrinkage does better.
            return difficulty(task) < (0.15 if "b0.1" in system else 0.6)
        return difficulty(task) < self._rate(system)

    def _scores(self, model: str) -> dict[str, np.ndarray]:
        generative = model == GENERATIVE
        few = np.where(np.arange(FEATURES) < 12, 1.0 + np.arange(FEATURES)[::-1] / FEATURES, 1e-6)
        energy = few if self.true else self.random.uniform(1, 2, FEATURES)
        one_sided, shared = 0.9 if self.true else 0.1, 0.2 if generative == self.true else 0.8
        modality = np.where(self.random.uniform(size=FEATURES) < shared, 0.5, one_sided)
        if generative:
            modality[few > 0.5] = one_sided
        claimed = generative == self.true
        bridging = {name: energy if claimed else self.random.uniform(size=FEATURES) for name in REDUCTIONS}
        attribution = energy if claimed else self.random.uniform(size=FEATURES)
        return {"energy": energy, "modality": modality, "attribution": attribution, **bridging}

    def _seconds(self, operation: str) -> float:
        return 1.0 if operation == "search" else 0.3 if self.true else 2.0

    def _masses(self) -> dict[str, float]:
        mass = 0.5 if self.true else 0.1
        return {"mass": float(self.random.normal(mass, 0.01)), "control": 0.25}


def place(layer: int) -> float:
    """Return where a layer stands, 0 to 1, in an order in which neighbours are not alike."""
    return layer * 11 % LAYERS / LAYERS


@cache
def difficulty(task: str) -> np.ndarray:
    """Return how hard each query is, 0 to 1; the two of a family are alike (correlation 0.3)."""
    random = np.random.default_rng([3, *task.encode()])
    family, own = np.repeat(random.standard_normal(FAMILIES), 2), random.standard_normal(2 * FAMILIES)
    return np.asarray(stats.norm.cdf(np.sqrt(0.3) * family + np.sqrt(0.7) * own))


@pytest.fixture(scope="module", params=[True, False], ids=["true", "false"])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[bool, dict[int, str]]:
    folder: Path = tmp_path_factory.mktemp("simulated")
    models = (GENERATIVE, CONTRASTIVE[0], TUNED[0], GENERATION)
    inputs = (
        Simulated(folder, models=models, repetitions=(0,), layers=tuple(range(LAYERS)), true=request.param).run().told()
    )
    with Facts(inputs) as facts:
        found = judge(facts, inputs)
    return request.param, {claim.rule.claim: f"{claim.verdict} {claim.reason}" for claim in found.claims}


@pytest.mark.parametrize("claim", range(1, 14))
def test_the_rule_says_what_is_so(told: tuple[bool, dict[int, str]], claim: int) -> None:
    true, said = told
    assert said[claim].startswith("holds " if true else "refuted "), said[claim]
