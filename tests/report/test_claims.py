"""Every claim is judged by its rule as written, on the rows that it speaks of, and says why."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats

from pipeline_core.report.claims import AT_LIMITS
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.verdicts import PartVerdict, Verdicts
from pipeline_core.retrieval.estimates import estimate
from pipeline_core.retrieval.significance import holm
from pipeline_core.schema.parquet import read_table, write_table
from tests.report.claim_artifacts import (
    COMPOSED,
    CONTRASTIVE,
    DRAWN,
    GENERATION,
    GENERATIVE,
    LAYERS,
    POOLINGS,
    REDUCTIONS,
    REPETITIONS,
    SCORED,
    STRONG,
    TUNED,
    World,
)
from tests.report.judging import PARTS, judged, part_of
from tests.report.world import RunWorld

Values = dict[tuple[str, int], float]
"""(case, repetition) -> value."""


@pytest.fixture(scope="module")
def verdicts(claim_world: World, claim_inputs: ReportInputs) -> Verdicts:
    return judged(claim_inputs)


def values_of(part: PartVerdict) -> Values:
    return {(case.name, m.repetition): m.value for case in part.cases for m in case.measurements}


def hit(world: World, repetition: int, short: str, task: str, model: str = GENERATIVE) -> float:
    return world.hits[repetition, f"{model}/{short}", task]["value"]


def best_raw(world: World, repetition: int, task: str, models: tuple[str, ...]) -> float:
    return max(hit(world, repetition, "raw", task, model) for model in models)


def modalities(world: World, repetition: int, sae: str) -> np.ndarray:
    return world.features[repetition, sae]["modality"].drop_nulls().to_numpy()


def shared(world: World, repetition: int, sae: str) -> float:
    own = modalities(world, repetition, sae)
    return float(((own >= 1 / 3) & (own < 2 / 3)).mean())


def text_energy(world: World, r: int) -> float:
    features = world.features[r, f"{GENERATIVE}/paper"]
    return float(features.filter(pl.col("modality") >= 2 / 3)["energy"].sum() / features["energy"].sum())


def few(world: World, r: int, sae: str) -> float:
    curve = world.curves[r, sae].sort("energy_share")
    energy = world.features[r, sae]["energy"].sort(descending=True).cum_sum()
    return (int((energy < 0.99 * energy[-1]).sum()) + 1) / curve.height


def top(world: World, r: int, sae: str, by: str) -> set[int]:
    return set(world.features[r, sae].sort(by, descending=True).head(1)["feature_id"])


def triple(world: World, r: int, sae: str, reduction: str) -> float:
    sets = [top(world, r, sae, by) for by in ("energy", "attribution", reduction)]
    return len(set.intersection(*sets)) / len(set.union(*sets))


def random_triple(world: World, r: int, sae: str) -> float:
    share = 1 / (few(world, r, sae) * world.features[r, sae].height)
    return share**3 / (1 - (1 - share) ** 3)


def change(world: World, r: int, mask: str, way: str, task: str) -> float:
    return hit(world, r, f"mean-{mask}/{way}", task) / hit(world, r, f"mean-all/{way}", task)


def compared(world: World, r: int, system: str, baseline: str, task: str) -> float:
    return hit(world, r, system, task) - hit(world, r, baseline, task)


def at_beta(world: World, r: int, fit_on: str, beta: float) -> float:
    return world.mean_hit(r, f"adaptations/realign-b{beta}-{fit_on}")


WAYS = {"raw": "raw", "ReAlign": "realign"}
SEPARATE = ("candidates", "support")
EACH: dict[str, Callable[[World, int], dict[str, float]]] = {
    "far_behind": lambda w, r: {t: hit(w, r, "raw", t) / best_raw(w, r, t, CONTRASTIVE) for t in SCORED},
    "text_features": lambda w, r: {
        f"{GENERATIVE}/paper": float((modalities(w, r, f"{GENERATIVE}/paper") >= 2 / 3).mean())
    },
    "text_energy": lambda w, r: {f"{GENERATIVE}/paper": text_energy(w, r)},
    "more_shared": lambda w, r: {
        "all contrastive models": float(np.mean([shared(w, r, f"{name}/paper") for name in CONTRASTIVE]))
        - shared(w, r, f"{GENERATIVE}/paper")
    },
    "few_features": lambda w, r: {
        f"{name}/paper": few(w, r, f"{name}/paper") for name in (GENERATIVE, *CONTRASTIVE, *TUNED)
    },
    "overlap": lambda w, r: {
        b: triple(w, r, f"{GENERATIVE}/paper", b)
        - float(np.mean([triple(w, r, f"{name}/paper", b) for name in CONTRASTIVE]))
        for b in REDUCTIONS
    },
    "beyond_centred": lambda w, r: {
        b: triple(w, r, f"{GENERATIVE}/paper", b) - triple(w, r, f"{GENERATIVE}/centred", b) for b in REDUCTIONS
    },
    "beyond_random": lambda w, r: {
        b: triple(w, r, f"{GENERATIVE}/paper", b) - random_triple(w, r, f"{GENERATIVE}/paper") for b in REDUCTIONS
    },
    "image_mask": lambda w, r: {
        f"{name}, both sides, no image tokens, {t}": change(w, r, "no_image", way, t) - 1
        for (name, way), t in product(WAYS.items(), COMPOSED)
    },
    "prompt_mask": lambda w, r: {
        f"{name}, both sides, no instruction{more}, {t}": change(w, r, mask, way, t)
        for (name, way), (mask, more), t in product(
            WAYS.items(), (("no_prompt", ""), ("content", ", no template")), COMPOSED
        )
    },
    "removal_raises": lambda w, r: {"i2t": compared(w, r, "removal-paper-attribution", "raw", "i2t")},
    "removal_everywhere": lambda w, r: {t: compared(w, r, "removal-paper-attribution", "raw", t) for t in SCORED},
    "removal_centred": lambda w, r: {t: compared(w, r, "removal-centred-attribution", "raw", t) for t in SCORED},
    "beyond_controls": lambda w, r: {
        f"i2t, {control.replace('_', ' ')} {draw + 1}": compared(
            w, r, f"{DOSE}/attribution-draw0", f"{DOSE}/{control}-draw{draw}", "i2t"
        )
        for control, draw in product(DRAWN, (0, 1))
    },
    "beyond_strong_controls": lambda w, r: {
        f"i2t, {control.replace('_', ' ')}": compared(
            w, r, f"{DOSE}/attribution-draw0", f"{DOSE}/{control}-draw0", "i2t"
        )
        for control in STRONG
    },
    "realign_everywhere": lambda w, r: {t: compared(w, r, "realign", "raw", t) for t in SCORED},
    "realign_released": lambda w, r: {t: compared(w, r, "realign-code-transductive", "raw", t) for t in SCORED},
    "realign_support": lambda w, r: {t: compared(w, r, "realign-support", "raw", t) for t in SCORED},
    "beyond_centring": lambda w, r: {t: compared(w, r, "realign", "mean_removal", t) for t in SCORED},
    "beats_zca": lambda w, r: {
        s: w.mean_hit(r, f"adaptations/realign-b0.1-{s}") - w.mean_hit(r, f"adaptations/zca-{s}") for s in SEPARATE
    },
    "beats_pca": lambda w, r: {
        s: w.mean_hit(r, f"adaptations/realign-b0.1-{s}") - w.mean_hit(r, f"adaptations/shared_pca-{s}")
        for s in SEPARATE
    },
    "beats_joint_pca": lambda w, r: {
        name: w.mean_hit(r, "adaptations/realign-b0.1-joint") - w.mean_hit(r, f"adaptations/{pca}")
        for name, pca in (("joint", "pca-joint"), ("joint, rank 4", "pca-joint-r4"))
    },
    "flat_in_beta": lambda w, r: {
        f"{s}, beta {b}": at_beta(w, r, s, b) / at_beta(w, r, s, 0.1) - 1 for s, b in product(SEPARATE, (0.3, 0.6))
    },
    "worse_at_zero": lambda w, r: {s: at_beta(w, r, s, 0.1) - at_beta(w, r, s, 0.0) for s in SEPARATE},
    "worse_at_one": lambda w, r: {s: at_beta(w, r, s, 0.1) - at_beta(w, r, s, 1.0) for s in SEPARATE},
    "rivals_fine_tuned": lambda w, r: {
        t: hit(w, r, "realign", t) - max(best_raw(w, r, t, TUNED), hit(w, r, "adaptations/trained_head", t))
        for t in SCORED
    },
    "beats_last": lambda w, r: {t: compared(w, r, "mean-all/raw", "last-all/raw", t) for t in SCORED},
    "beats_max": lambda w, r: {t: compared(w, r, "mean-all/raw", "max-all/raw", t) for t in SCORED},
    "beats_min": lambda w, r: {t: compared(w, r, "mean-all/raw", "min-all/raw", t) for t in SCORED},
    "under_generation": lambda w, r: {
        f"{p}, {t}": hit(w, r, "mean-all/raw", t, GENERATION) - hit(w, r, f"{p}-all/raw", t, GENERATION)
        for p, t in product(POOLINGS, SCORED)
        if p != "mean"
    },
    "beats_others_realigned": lambda w, r: {
        p: w.mean_hit(r, "mean-all/realign") - w.mean_hit(r, f"{p}-all/realign") for p in POOLINGS if p != "mean"
    },
    "last_layer": lambda w, r: {
        f"{name}, layer {n:02d}": w.mean_hit(r, f"L{LAYERS[-1]}/{way}") - w.mean_hit(r, f"L{n}/{way}")
        for (name, way), n in product(WAYS.items(), LAYERS[:-1])
    },
}
"""Each part's cases in one repetition, worked out from the numbers that the artifacts were made of."""

NOTHING = "numbers that this run does not hold"
TIMED = {"cost", "cost_by_condition", "cost_against_product"}
DOSE = "removal/paper/share0.01"


class TestQueries:
    """Each query finds the rows that the statistic speaks of, and nothing else."""

    def test_every_query_is_worked_out_here(self) -> None:
        assert set(EACH) | TIMED | {"follows_art", "shows_conflict"} == set(PARTS)

    @pytest.mark.parametrize("name", EACH)
    def test_values(self, claim_world: World, verdicts: Verdicts, name: str) -> None:
        wanted = {
            (case, repetition): value
            for repetition in REPETITIONS
            for case, value in EACH[name](claim_world, repetition).items()
        }
        assert values_of(part_of(verdicts, name)) == pytest.approx(wanted)

    @pytest.mark.parametrize(
        ("name", "against", "conditions"),
        [
            ("cost", "search", [(100_000, 10)]),
            ("cost_against_product", "product", [(100_000, 10)]),
            ("cost_by_condition", "search", [(1000, 10), (1000, 20)]),
        ],
    )
    def test_costs_are_those_of_the_largest_pool_or_of_every_condition(
        self, claim_world: World, verdicts: Verdicts, name: str, against: str, conditions: list[tuple[int, int]]
    ) -> None:
        seconds, wanted = claim_world.seconds, {}
        for at in conditions:
            ratio = (seconds["fit", *at] + seconds["apply", *at]) / seconds[against, *at]
            wanted["{:,} candidates, {:,} queries, width 8".format(*at), 0] = ratio
        assert values_of(part_of(verdicts, name)) == pytest.approx(wanted)

    def test_a_cost_is_told_at_the_largest_pool_that_both_were_measured_on(
        self, claim_run: RunWorld, tmp_path: Path
    ) -> None:
        folder = claim_run.studied.efficiency
        assert folder is not None
        rows = read_table(folder, "efficiency")
        write_table(tmp_path, "efficiency", rows.remove(operation="product", n_candidates=100_000))
        models = (replace(claim_run.studied, efficiency=tmp_path), *claim_run.compared)
        (case,) = part_of(judged(replace(claim_run, models=models).told()), "cost_against_product").cases
        assert case.name.startswith("1,000 candidates")

    def test_neighbouring_layers_count_as_fewer(self, claim_world: World, verdicts: Verdicts) -> None:
        recall = stats.rankdata([claim_world.mean_hit(0, f"L{layer}/raw") for layer in LAYERS])
        rows = pl.DataFrame(claim_world.quadrants).with_columns(share=pl.col("art") / (pl.col("art") + pl.col("words")))
        by_layer = rows.filter(source="last").group_by("layer").agg(pl.col("share").mean()).sort("layer")
        art = stats.rankdata(by_layer["share"].to_numpy())
        alike = max(np.prod([np.corrcoef(one[1:], one[:-1])[0, 1] for one in (art, recall)]), 0.0)
        reach = 1.96 / np.sqrt(max(len(LAYERS) * (1 - alike) / (1 + alike) - 3, 1))
        case = next(case for case in part_of(verdicts, "shows_conflict").cases if case.name == "last token")
        value = np.arctanh(np.clip(np.corrcoef(art, recall)[0, 1], -0.999, 0.999))
        own = case.measurements[0]
        assert own.low is not None
        assert own.value - own.low == pytest.approx((np.tanh(value + reach) - np.tanh(value - reach)) / 2, rel=1e-3)

    def test_the_conflict_is_how_attention_to_the_art_goes_with_recall(
        self, claim_world: World, verdicts: Verdicts
    ) -> None:
        recall = [claim_world.mean_hit(0, f"L{layer}/raw") for layer in LAYERS]
        rows = pl.DataFrame(claim_world.quadrants).with_columns(share=pl.col("art") / (pl.col("art") + pl.col("words")))
        for source, name in (("last", "last token"), ("pooled", "pooled tokens")):
            by_layer = rows.filter(source=source).group_by("layer").agg(pl.col("share").mean()).sort("layer")
            wanted = stats.spearmanr(by_layer["share"].to_numpy(), recall).statistic
            assert values_of(part_of(verdicts, "shows_conflict"))[name, 0] == pytest.approx(wanted)

    def test_attention_has_the_interval_of_a_mean_within_quadrants(
        self, claim_world: World, verdicts: Verdicts
    ) -> None:
        cases = {case.name: case.measurements[0] for case in part_of(verdicts, "follows_art").cases}
        assert set(cases) == {"last token", "pooled tokens"}
        for source, name in (("last", "last token"), ("pooled", "pooled tokens")):
            rows = pl.DataFrame(claim_world.quadrants).filter(source=source)
            samples = rows.group_by("sample_id", "quadrant").agg(pl.col("mass", "control").mean())
            gains = (samples["mass"] - samples["control"]).to_numpy()
            strata = [stratum["mass"].to_numpy() for stratum in samples.partition_by("quadrant")]
            assert [len(masses) for masses in strata] == [3, 3]
            reach = 1.96 * np.sqrt(np.mean([masses.var(ddof=1) for masses in strata]) / len(gains))
            found = (cases[name].low, cases[name].value, cases[name].high)
            assert found == pytest.approx((gains.mean() - reach, gains.mean(), gains.mean() + reach))

    def test_a_head_trained_on_frozen_states_is_a_rival_where_no_model_is_fine_tuned(
        self, claim_world: World, claim_run: RunWorld
    ) -> None:
        plain = [tuple(replace(m, fine_tuned=False) for m in models) for models in all_models(claim_run)]
        found = judged(replace(claim_run, models=plain[0], repetitions=tuple(plain[1:])).told())
        wanted = {
            (t, r): compared(claim_world, r, "realign", "adaptations/trained_head", t)
            for t, r in product(SCORED, REPETITIONS)
        }
        assert values_of(part_of(found, "rivals_fine_tuned")) == pytest.approx(wanted)

    def test_intervals_are_those_of_the_families_hits(self, claim_world: World, verdicts: Verdicts) -> None:
        own = next(case for case in part_of(verdicts, "realign_everywhere").cases if case.name == "t2i").measurements[0]
        families = claim_world.by_family(0, f"{GENERATIVE}/realign", "t2i")
        families = families - claim_world.by_family(0, f"{GENERATIVE}/raw", "t2i")
        found = estimate(families[None], np.full((1, len(families)), 2.0), np.ones(1))
        assert found is not None
        assert (own.low, own.high) == pytest.approx(found.interval)
        assert own.p == pytest.approx(found.p(0.0))

    def test_q_is_corrected_for_the_deciding_parts_of_the_claim_alone(self, verdicts: Verdicts) -> None:
        for claim in verdicts.claims:
            families = [list(claim.deciding), *([part] for part in claim.parts if not part.rule.decides)]
            for family, repetition in product(families, REPETITIONS):
                tested = [m for p in family for c in p.counting for m in c.measurements if m.repetition == repetition]
                wanted = holm(np.array([m.p for m in tested]))
                assert [m.q for m in tested] == pytest.approx(wanted.tolist(), abs=1e-9)


class TestWhatIsMissing:
    """What a run lacks is said, and nothing is made up for it."""

    def reasons(self, verdicts: Verdicts) -> dict[str, str]:
        return {part.rule.part: part.needs for claim in verdicts.claims for part in claim.parts}

    def test_a_whole_run_lacks_nothing(self, verdicts: Verdicts) -> None:
        assert not any(self.reasons(verdicts).values())

    def test_without_the_other_rendering_it_is_asked_for(self, claim_run: RunWorld) -> None:
        plain = [tuple(m for m in models if m.name != GENERATION) for models in all_models(claim_run)]
        part = part_of(
            judged(replace(claim_run, models=plain[0], repetitions=tuple(plain[1:])).told()), "under_generation"
        )
        assert (part.verdict, part.needs) == ("not measurable here", part.rule.missing)

    def test_a_plain_run_needs_a_sweep(self, claim_run: RunWorld) -> None:
        bare = {"grid": None, "doses": None, "attention": None, "efficiency": None}
        plain = replace(
            claim_run, models=tuple(replace(m, **bare, fine_tuned=False) for m in claim_run.models), repetitions=()
        )
        found = judged(plain.told())
        reasons = self.reasons(found)
        swept = {name for name, reason in reasons.items() if "lens sweep" in reason}
        assert {number for number, part in PARTS.values() if part.part in swept} == {5, 6, 8, 9, 10, 11, 12, 13}
        assert reasons["removal_raises"] == ""
        for number in (5, 9, 12):
            assert found.of(number).verdict == "not measurable here"
            assert found.of(number).reason == "Needs lens sweep, which has not been run."

    def test_without_a_contrastive_model_there_is_no_comparison(self, claim_run: RunWorld) -> None:
        own = [tuple(m for m in models if m.kind == "generative") for models in all_models(claim_run)]
        reasons = self.reasons(judged(replace(claim_run, models=own[0], repetitions=tuple(own[1:])).told()))
        lacking = {name for name, reason in reasons.items() if reason == "a contrastive model to compare with"}
        assert lacking == {"far_behind", "more_shared", "overlap"}

    def test_a_contrastive_model_is_judged_only_on_what_is_said_of_every_model(
        self, claim_world: World, claim_run: RunWorld
    ) -> None:
        turned = [(models[1], models[0], *models[2:]) for models in all_models(claim_run)]
        found = judged(replace(claim_run, models=turned[0], repetitions=tuple(turned[1:])).told())
        generative = {name for name, reason in self.reasons(found).items() if "is contrastive" in reason}
        assert {PARTS[name][0] for name in generative} == {1, 2, 4, 5, 6, 11, 12, 13}
        assert {claim.rule.claim for claim in found.claims if claim.verdict != "not measurable here"} == {
            3,
            7,
            8,
            9,
            10,
        }
        wanted = {
            (s, r): claim_world.mean_hit(r, f"adaptations/realign-b0.1-{s}", CONTRASTIVE[0])
            - claim_world.mean_hit(r, f"adaptations/zca-{s}", CONTRASTIVE[0])
            for s, r in product(SEPARATE, REPETITIONS)
        }
        assert values_of(part_of(found, "beats_zca")) == pytest.approx(wanted)

    def test_without_saes_nothing_is_said_of_features(self, claim_run: RunWorld) -> None:
        own = [tuple(replace(m, saes=()) for m in models) for models in all_models(claim_run)]
        found = judged(replace(claim_run, models=own[0], repetitions=tuple(own[1:])).told())
        for name in ("text_features", "text_energy", "more_shared", "few_features", "overlap"):
            assert part_of(found, name).needs == NOTHING


def test_where_nothing_is_found_no_ratio_is_measured_and_no_gain_decided(tmp_path: Path) -> None:
    found = judged(World(tmp_path, scale=0.0).run().told())
    for name in ("far_behind", "image_mask", "prompt_mask"):
        assert part_of(found, name).needs == NOTHING
    for name in ("beats_pca", "flat_in_beta", "last_layer"):
        assert part_of(found, name).needs == AT_LIMITS
    gain = part_of(found, "realign_everywhere")
    assert (gain.verdict, gain.needs) == ("not measurable here", AT_LIMITS)
    assert {case.measurements[0].left_out for case in gain.cases} == {"floor"}


def all_models(run: RunWorld) -> list[tuple]:
    return [run.models, *run.repetitions]
