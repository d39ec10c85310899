"""The protocol ``paper`` is its single settings; what is given itself stays, and is told."""

import pytest

from pipeline_core.config import AnalysisConfig, load_config, parse_config
from pipeline_core.errors import ConfigError

GIVEN = ("protocol=paper",)


def test_it_switches_on_every_variant_of_every_model() -> None:
    config = load_config(settings=GIVEN)
    for model in config.models:
        assert (model.dtype, model.rendering) == ("float16", "released")
        assert (model.hidden_state, model.text_picture) == ("released", "released")
    scoring = config.section("scoring")
    assert (scoring.denominator, scoring.ks) == ("all", (1, 5, 10))
    assert config.section("dataset").unanswered == "asked"
    assert config.section("protocol").told == "protocol: paper"
    assert AnalysisConfig(protocol="paper") == config


def test_without_it_nothing_is_switched_on() -> None:
    config = AnalysisConfig()
    assert config == load_config(settings=("protocol=own",))
    assert {(m.dtype, m.hidden_state, m.text_picture) for m in config.models} == {("float32", "normed", "none")}
    assert (config.section("scoring").denominator, config.section("dataset").unanswered) == ("judged", "left_out")


def test_a_setting_that_is_given_stays_and_is_told() -> None:
    given = ("compare_with=[{name: a/b, dtype: bfloat16}]", "adaptations.realign.beta=0.3", "scoring.ks=[1, 5, 10]")
    config = load_config(settings=(*GIVEN, *given))
    told = config.section("protocol").told
    assert (config.compare_with[0].dtype, config.model.dtype) == ("bfloat16", "float16")
    assert told == (
        "protocol: paper; but compare_with.0.dtype is bfloat16 and not float16; "
        "but adaptations.realign.beta is 0.3 and not 0.1"
    )


def test_what_was_expanded_is_read_again_as_it_is() -> None:
    config = load_config(settings=(*GIVEN, "model.dtype=float32", "adaptations.realign.eps=1e-5"))
    assert config.section("protocol").deviations == ("model.dtype is float32 and not float16",)
    assert parse_config(config.model_dump(mode="json", by_alias=True)) == config


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"protocol\.name: must be 'own' or 'paper'"):
        load_config(settings=("protocol=papers",))


def test_presets_are_combined_and_the_later_wins() -> None:
    config = load_config(("qwen2-vl-7b", "mbeir/mscoco-t2i", "paper"), settings=("dataset.path=data",))
    assert config.model.name == "Qwen/Qwen2-VL-7B-Instruct"
    assert config.section("dataset").tasks == ("mscoco_task0",)
    assert config.section("protocol").told == "protocol: paper"
    config = load_config(("mbeir/mscoco-t2i", "mbeir/nights-i2i"), settings=("dataset.path=data",))
    assert config.section("dataset").tasks == ("nights_task4",)
