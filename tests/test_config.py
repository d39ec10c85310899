"""The config refuses what it cannot run, in one line that names the field."""

import pytest

from pipeline_core.config import AnalysisConfig, load_config, parse_config, preset_names
from pipeline_core.errors import ConfigError


def test_the_demo_is_the_default() -> None:
    assert load_config("emoji") == AnalysisConfig()


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_valid(name: str) -> None:
    assert load_config(name).dataset.name == "emoji"


def test_settings_override_presets() -> None:
    config = load_config("emoji-full", settings=("sae.k=64", "dataset.seed=3"))
    assert (config.sae.k, config.dataset.seed, config.dataset.max_edits) == (64, 3, None)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("sae.kk=3", ("sae.kk", "known here", "checkpoint_steps")),
        ("sae.k=9999", ("sae.k is 9999", "sae.features, 4096")),
        ("sae.k=abc", ("sae.k", "integer", "'abc'")),
        ("sae.k=0", ("sae.k", "greater than or equal to 1")),
        ("retrieval.beta=1.5", ("retrieval.beta", "less than or equal to 1", "1.5")),
        ("retrieval.beta=.nan", ("retrieval.beta", "nan")),
        ("model.kind=foo", ("model.kind", "'generative'")),
        ("model.name=reference-contrastive", ("reference-contrastive", "twice")),
        ("sae.recipes=[]", ("sae.recipes", "at least 1")),
        ("extraction.pooling=max", ("extraction.pooling", "known here", "token_roles")),
        ("representation.pooling=sum", ("representation.pooling", "'mean'", "'sum'")),
        ("sweep.betas=[0.1, 1.1]", ("sweep.betas.1", "less than or equal to 1", "1.1")),
        ("sweep.removal_shares=[0.0]", ("sweep.removal_shares.0", "greater than 0")),
        ("sweep.repetitions=0", ("sweep.repetitions", "greater than or equal to 1")),
        ("nothing", ("section.field=value",)),
        ("sae.k.deeper=1", ("plain value",)),
        ("sae.k=[1", ("not YAML",)),
    ],
)
def test_a_wrong_setting_is_one_clear_line(setting: str, words: tuple[str, ...]) -> None:
    settings = ("sae.k=1", setting) if setting.startswith("sae.k.") else (setting,)
    with pytest.raises(ConfigError) as caught:
        load_config("emoji", settings=settings)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="emoji-full"):
        load_config("emo")


def test_an_unreadable_file_is_named(tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml cannot be read"):
        load_config(file=tmp_path / "none.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("- a list\n")
    with pytest.raises(ConfigError, match="no mapping"):
        load_config(file=broken)


def test_json_round_trip() -> None:
    config = load_config("emoji", settings=("sae.k=64",))
    assert parse_config(config.model_dump(mode="json")) == config


def test_a_repetition_raises_the_seeds_of_splits_saes_and_scoring_only() -> None:
    config = load_config("emoji", settings=("sae.seed=5", "sae.k=64"))
    repeated = config.repeated(2)
    assert (repeated.dataset.seed, repeated.sae.seed, repeated.retrieval.seed) == (2, 7, 2)
    before, after = config.model_dump(), repeated.model_dump()
    for section in ("dataset", "sae", "retrieval"):
        del before[section]["seed"], after[section]["seed"]
    assert after == before
    assert config.repeated(0) == config
