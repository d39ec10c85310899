"""The config refuses what it cannot run, in one line that names the field."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline_core.config import AnalysisConfig, load_config, parse_config
from pipeline_core.config_moves import MOVED
from pipeline_core.errors import ConfigError
from pipeline_core.pipeline import SHARED, STAGES
from pipeline_core.presets import preset_names


def test_the_demo_is_the_default() -> None:
    assert load_config("emoji") == AnalysisConfig()


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_valid(name: str) -> None:
    data = {"laptop": "folder"}.get(name, name.partition("/")[0] if "/" in name else "emoji")
    config = load_config(name, settings=() if data == "emoji" else ("dataset.path=pictures",))
    assert config.dataset.name == data
    assert "vectors" in {sae.states for sae in config.sae}


def test_settings_override_presets() -> None:
    config = load_config("emoji-full", settings=("features.examples=64", "dataset.seed=3"))
    assert (config.features.examples, config.dataset.seed, config.dataset.max_edits) == (64, 3, None)


def test_a_setting_below_a_list_is_of_every_element_or_of_the_one_named() -> None:
    everywhere = load_config(settings=("sae.k=7",)).sae
    assert [sae.k for sae in everywhere] == [7, 7, 7]
    named = load_config(settings=("sae.centred.k=7", "sae.0.epochs=2")).sae
    assert [(sae.name, sae.k, sae.epochs) for sae in named] == [("paper", 32, 2), ("centred", 7, 5), ("paper", 32, 60)]
    assert load_config(settings=("sae=[{name: mine, features: 64}]", "sae.k=3")).sae[0].k == 3


def test_one_model_is_named_twice_under_an_alias() -> None:
    config = load_config(settings=("compare_with=[{name: reference-mllm, dtype: bfloat16, alias: halved}]",))
    assert [model.label for model in config.models] == ["reference-mllm", "halved"]


def test_every_section_is_of_a_stage_or_shared_and_every_declared_one_is_there() -> None:
    config = AnalysisConfig()
    own = {stage.name for stage in STAGES.values() if stage.settings is not None}
    general = {"model", "compare_with", "repetitions", "placement"}
    assert set(type(config).model_fields) == own | set(SHARED) | general
    for stage in STAGES.values():
        for path in stage.shared:
            config.section(path)


@pytest.mark.parametrize("old", sorted(MOVED))
def test_a_field_of_an_older_config_is_told_where_it_went(old: str) -> None:
    section, field = old.split(".")
    with pytest.raises(ConfigError) as caught:
        parse_config({section: {field: 1}})
    message = str(caught.value)
    assert "\n" not in message
    assert f"{old} is now {MOVED[old]}" in message


def test_where_fields_went_they_are() -> None:
    config = AnalysisConfig()
    for new in MOVED.values():
        place = new.partition(",")[0].split(".")
        config.section(".".join(place))


def test_all_that_moved_is_told_in_one_line() -> None:
    old = {"extraction": {"layer": 1, "threads": 2}, "sae": {"k": 4, "recipes": ["paper"]}, "model": {"device": "cuda"}}
    with pytest.raises(ConfigError) as caught:
        parse_config(old)
    for words in ("activations.layer", "placement.threads", "each element", "placement.device"):
        assert words in str(caught.value)
    with pytest.raises(ConfigError, match=r"compare_with\.fine_tuned is now report\.fine_tuned"):
        parse_config({"compare_with": [{"name": "a/b", "fine_tuned": True}]})


def test_what_looks_like_a_comment_is_part_of_a_path() -> None:
    config = load_config(settings=("dataset.name=folder", "dataset.path=/data/D #2"))
    assert config.section("dataset").path.name == "D #2"


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("features.kk=3", ("features.kk", "known here", "pairs_per_feature")),
        ("sae.kk=3", ("sae.0", "kk")),
        ("sae.0.k=9999", ("k is 9999", "4096")),
        ("features.examples=abc", ("features.examples", "whole number", "'abc'")),
        ("features.examples=0", ("features.examples", "must be 1 or more")),
        ("adaptations.realign.beta=1.5", ("adaptations.realign.beta", "must be 1 or less", "1.5")),
        ("adaptations.realign.beta=.nan", ("adaptations.realign.beta", "nan")),
        ("model.kind=foo", ("model.kind", "'generative'")),
        ("model.name=reference-contrastive", ("reference-contrastive", "twice")),
        ("placement={device: cuda:1, device_map: auto}", ("device_map spreads a model over all", "give device cuda")),
        ("placement.device_map={a: cuda:0, b: disk}", ("device_map names cuda, and device is cpu",)),
        ("placement={runner: ray, device: cuda:1}", ("Ray chooses the device of each task", "give device cuda")),
        ("placement.device=cudda", ("placement.device", "no device 'cudda'", "cuda:1")),
        ("model.alias=reference-contrastive", ("name a model twice", "give one an alias")),
        ("activations.pooling=max", ("activations.pooling", "known here", "token_roles")),
        ("representation.pooling=sum", ("representation.pooling", "'mean'", "'sum'")),
        ("grid.betas=[0.1, 1.1]", ("grid.betas.1", "must be 1 or less", "1.1")),
        ("doses.shares=[0.0]", ("doses.shares.0", "greater than 0")),
        ("repetitions=0", ("repetitions", "must be 1 or more")),
        ("nothing", ("section.field=value",)),
        ("sae.9.k=3", ("'sae.9.k=3'", "element 9, and there are 3")),
        ("sae.0.from=x", ("sae.0", "stands alone, {from: PATH}")),
        ("sae=[{from: }]", ("sae.0.from: must be a text",)),
        ("placement.threads=true", ("placement: threads must be a number, not true or false",)),
        ("compare_with=3", ("compare_with: must be a list (given: 3)",)),
        ("model=3", ("model: must be a section with fields",)),
        ("features.share.deeper=1", ("plain value",)),
        ("features.share=[1", ("not YAML",)),
        ("model.alias=2024-13-45", ("'model.alias=2024-13-45' is not YAML",)),
        (f"dataset.seed={'9' * 5000}", ("is not YAML",)),
        (f"sae={'[' * 5000}", ("is not YAML",)),
    ],
)
def test_a_wrong_setting_is_one_clear_line(setting: str, words: tuple[str, ...]) -> None:
    settings = ("features.share=0.1", setting) if setting.startswith("features.share.") else (setting,)
    with pytest.raises(ConfigError) as caught:
        load_config("emoji", settings=settings)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="emoji-full"):
        load_config("emo")


def test_a_device_without_end_is_no_config():
    with pytest.raises(ConfigError, match=r"^the config file /dev/zero has more than 16 MB; give a YAML file$"):
        load_config(file=Path("/dev/zero"))


def test_a_config_may_begin_with_a_mark(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfscoring: {seed: 7}\n")
    assert load_config(file=tmp_path / "a.yaml").section("scoring").seed == 7


def test_an_unreadable_file_is_named(tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml cannot be read"):
        load_config(file=tmp_path / "none.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("scoring:\n  seed: [1\nsae: 2\n")
    with pytest.raises(ConfigError, match=r"is not YAML, line 3, column 4: expected .*; correct it$"):
        load_config(file=broken)
    broken.write_text("[" * 5000)
    with pytest.raises(ConfigError, match=r"is not YAML; correct it$"):
        load_config(file=broken)
    broken.write_text("- a list\n")
    with pytest.raises(ConfigError, match="no mapping"):
        load_config(file=broken)


def test_json_round_trip() -> None:
    config = load_config("emoji", settings=("sae.k=64",))
    assert parse_config(config.model_dump(mode="json", by_alias=True)) == config


def test_a_repetition_raises_every_seed_and_nothing_else() -> None:
    config = load_config("emoji", settings=("sae.0.seed=5", "sae.k=64"))
    repeated = config.repeated(2)
    assert (repeated.dataset.seed, [sae.seed for sae in repeated.sae], repeated.scoring.seed) == (2, [7, 2, 2], 2)
    before, after = config.model_dump(), repeated.model_dump()
    for values in (before, after):
        for section in values.values():
            for one in section if isinstance(section, (list, tuple)) else [section]:
                if isinstance(one, dict):
                    one.pop("seed", None)
    assert after == before
    assert config.repeated(0) == config


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("sae.0=3",), "names a whole element of a list"),
        (("compare_with=[]", "compare_with.name=x"), "goes below an empty list"),
        (("sae=[{from: '~no-such-user/x'}]",), "is no path"),
    ],
)
def test_settings_below_lists_that_mean_nothing_are_refused(settings: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_config(settings=settings)


def test_a_form_with_fields_of_an_older_layout_is_told_where_they_moved() -> None:
    with pytest.raises(ValidationError, match=r"older layout: .*retrieval.beta.*adaptations.realign.beta"):
        AnalysisConfig.model_validate({"retrieval": {"beta": 0.2}})


@pytest.mark.parametrize(
    "folder",
    ["D #2", "2024-01-02", "0x10", "0123", "1_000", "12:30:45", "1e3", ".5", "a: b", "[a]", "[a", "@a", "*a", "1" * 99],
)
def test_a_folder_is_taken_as_it_was_typed(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for typed in (folder, f"'{folder}'"):
        config = load_config(settings=("dataset.name=folder", f"dataset.path={typed}"))
        assert config.section("dataset.path") == tmp_path / folder


def test_a_folder_without_the_name_of_its_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"dataset.path is not for the data set emoji; .*set dataset.name=.*folder"):
        load_config(settings=("dataset.path=pictures",))


@pytest.mark.parametrize(
    "setting",
    ["scoring.ks=[1, 5, 1]", "grid.betas=[0.5, 0.50]", "doses.ranks=[2, 2]", "activations.token_roles=[text, text]"],
)
def test_values_given_twice_are_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match=r" twice; give each value once"):
        load_config(settings=(setting,))


def test_a_model_in_a_folder_has_one_spelling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models" / "mine").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path / "models")
    for spelt in ("./mine", "../models/mine/", "~/models/mine", str(tmp_path / "models" / "mine")):
        assert load_config(settings=(f"model.name={spelt}",)).model.name == str(tmp_path / "models" / "mine")
    with pytest.raises(ConfigError, match="name a model twice"):
        load_config(settings=("model.name=./mine", "compare_with=[{name: ~/models/mine/}]"))
    with pytest.raises(ConfigError, match="name a model twice"):
        load_config(settings=("model.name=./mine", "compare_with=[{name: ~/models/mine, dtype: bfloat16}]"))
