"""Families: what each alone knows of its models, and one that comes from outside the package."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from transformers import LlamaConfig, LlavaConfig

from pipeline_core.models.facts import describe_model
from pipeline_core.models.families import FAMILIES
from pipeline_core.models.family import GenerativeFamily
from pipeline_core.models.samples import SampleInput
from pipeline_core.models.settings import ModelSettings
from tests.models import tiny
from tests.models.tiny_duals import DUAL
from tests.models.tiny_generative import GENERATIVE

PAGE = Path(__file__).parents[2] / "docs" / "models.md"

MODELS = """
from transformers import AutoConfig, AutoModel, CLIPConfig, CLIPModel


class ExampleConfig(CLIPConfig):
    model_type = "example_clip"


class ExampleModel(CLIPModel):
    config_class = ExampleConfig


AutoConfig.register(ExampleConfig.model_type, ExampleConfig)
AutoModel.register(ExampleConfig, ExampleModel)
"""


def test_members_serve_types_of_their_own() -> None:
    types = [model_type for family in FAMILIES.values() if not family.names for model_type in family.model_types]
    assert len(set(types)) == len(types)
    assert {model_type for family in FAMILIES.values() for model_type in family.model_types} == set(types)
    assert all(family.name == name for name, family in FAMILIES.items())
    general = [family.traits("any").kind for family in FAMILIES.values() if family.general]
    assert sorted(general) == ["contrastive", "generative"]


def test_every_type_that_a_family_names_has_a_tiny_model_which_conforms() -> None:
    # Recipes of embedders, which serve types of others, are held by test_embedders.py.
    families = [family for family in FAMILIES.values() if not family.names]
    named = {(family.name, model_type) for family in families for model_type in family.model_types}
    assert {(made.family, made.config["model_type"]) for made in (GENERATIVE | DUAL).values()} == named


def test_what_has_one_attention_only_says_that_it_needs_it() -> None:
    made = (GENERATIVE | DUAL).values()
    told = {name for name, family in FAMILIES.items() if any("eager" in need for need in family.needs)}
    # What is tried as it is loaded falls back to it by itself.
    found_out = {name for name, family in FAMILIES.items() if getattr(family, "tried", False) and not family.general}
    assert told == {one.family for one in made if one.attention == "eager"} | found_out


def test_to_look_at_families_loads_no_model_library() -> None:
    code = (
        "import sys; from pipeline_core.models.families import FAMILIES; list(FAMILIES.values()); "
        "assert not {'torch', 'transformers'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of a model whose type only a family from outside knows: the one that the page on models shows."""
    site = tmp_path / "site"
    distribution = site / "example-1.0.dist-info"
    distribution.mkdir(parents=True)
    (distribution / "METADATA").write_text("Metadata-Version: 2.1\nName: example\nVersion: 1.0\n")
    (distribution / "entry_points.txt").write_text("[retrieval_lens.model_family]\nexample = example_family:MEMBER\n")
    block = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    (site / "example_family.py").write_text(block[1])
    (site / "example_models.py").write_text(MODELS)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(vars(FAMILIES), "_outside", raising=False)
    folder = tiny.save_clip(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "example_clip"}))
    yield folder
    vars(FAMILIES).pop("_outside", None)
    FAMILIES._loaded.pop("example", None)
    for module in ("example_family", "example_models"):
        sys.modules.pop(module, None)


def test_a_family_from_outside_serves_a_type_of_its_own(example: Path) -> None:
    facts = describe_model(ModelSettings(name=str(example)))
    assert (facts.family, facts.kind) == ("example", "contrastive")
    embedder = tiny.load(example)
    (representation,) = embedder.representations(None)
    samples = [SampleInput("p", "none", tiny.picture(0)), SampleInput("t", "none", None, "a red heart")]
    vectors = embedder.embed(samples, [representation], ()).vectors
    assert vectors.shape == (1, 2, 12) and np.isfinite(vectors).all()
    lengths: list[int] = []
    embedder._model.text_model.register_forward_pre_hook(
        lambda _, args, kwargs: lengths.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    embedder.embed(samples, [representation], ())
    assert lengths == [40]


def test_the_config_says_which_tokens_are_a_picture() -> None:
    """A processor may call the marker that begins a picture its image token, as Gemma 3's does."""
    processor = SimpleNamespace(image_token_id=7)
    assert GenerativeFamily().picture_ids(LlavaConfig(image_token_index=5), processor) == {5}
    assert GenerativeFamily().picture_ids(LlamaConfig(), processor) == {7}
