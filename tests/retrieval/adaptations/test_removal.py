import numpy as np
import polars as pl
import pytest

from pipeline_core.errors import ConfigError
from pipeline_core.retrieval.adaptations import Sae, Scope, System, adaptation_settings
from pipeline_core.retrieval.adaptations.removal import MEMBER
from pipeline_core.retrieval.maps import Projection
from tests.retrieval.test_subspaces import C, D, dictionary


def features(seed: int = 0, c: int = C) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    energy = rng.exponential(size=c)
    return pl.DataFrame(
        {"feature_id": np.arange(c), "energy": energy, "attribution_rank": np.argsort(np.argsort(-energy)) + 1}
    )


def scope(share: float, seed: int = 0, c: int = C) -> Scope:
    settings = adaptation_settings()(removal={"share": share})
    return Scope(D, settings, [Sae("model/paper", features(c=c), dictionary(c=c))], 3, seed)


def planned(share: float, seed: int = 0, c: int = C) -> dict[str, System]:
    """The systems of an analysis, by selection."""
    return {str(system.selection): system for system in MEMBER.of_analysis(scope(share, seed, c))}


def test_the_plan_removes_the_top_attribution_and_controls_of_the_same_rank():
    plan, (singles,) = planned(0.1), MEMBER.singles(scope(0.1))
    top = features().sort("attribution_rank")["feature_id"].to_numpy()
    assert {system.rank for system in plan.values()} == {6}
    assert {system.basis.shape for system in plan.values() if system.basis is not None} == {(D, 6)}
    left = Projection(plan["attribution"].basis).apply(dictionary()[top[6:]])
    np.testing.assert_allclose(left @ dictionary()[top[:6]].T, 0, atol=1e-4)
    assert list(singles.bases) == top[:3].tolist()
    for feature, basis in singles.bases.items():
        assert abs(basis[:, 0] @ dictionary()[feature]) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(("share", "c", "removed"), [(0.07, 100, 7), (0.01, 60, 1), (0.1, 60, 6), (0.11, 60, 7)])
def test_a_share_is_rounded_up_but_not_by_what_floats_add(share: float, c: int, removed: int):
    assert planned(share, c=c)["attribution"].rank == removed


def test_a_seed_decides_the_controls():
    plans = [{name: system.basis for name, system in planned(0.1, seed).items()} for seed in (0, 0, 1)]
    for selection in ("energy_matched", "random_features", "random_subspace"):
        np.testing.assert_array_equal(plans[0][selection], plans[1][selection])
        assert np.abs(plans[0][selection] - plans[2][selection]).max() > 1e-3
    np.testing.assert_array_equal(plans[0]["attribution"], plans[2]["attribution"])


def test_removing_everything_is_refused():
    with pytest.raises(ConfigError, match="span all 20 dimensions; choose a smaller share"):
        planned(0.5)
