"""Which representation is analysed: that of a pooling and mask at one layer, or the only one."""

from pipeline_core.models.representations import (
    chosen_representation,
    count_representations,
    model_representation,
    pooled_representations,
)


def test_the_chosen_one_is_at_the_analysis_layer() -> None:
    representations = pooled_representations("m", 3, 1, "causal")
    assert chosen_representation(representations, "mean", "all").rep_id == "m/L1/mean/all"
    assert chosen_representation(representations, "max", "content").rep_id == "m/L1/max/content"
    assert len({rep.rep_id for rep in representations}) == len(representations)


def test_layers_are_pooled_as_the_model_is() -> None:
    for own in ("mean", "last"):
        representations = pooled_representations("m", 3, 1, "causal", own)
        assert {rep.pooling for rep in representations if not rep.at_analysis_layer} == {own}
        assert len(representations) == count_representations(3, 1)


def test_a_model_that_pools_by_itself_has_one_for_all_choices() -> None:
    only = model_representation("m")
    assert chosen_representation((only,), "max", "content") == only
