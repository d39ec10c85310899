"""Embedders under their makers' recipes: prompts written by hand, vectors by a second, plain implementation."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from PIL import Image
from transformers import AutoModelForImageTextToText

from pipeline_core.activations.query import chosen_representation
from pipeline_core.activations.settings import RepresentationSettings
from pipeline_core.errors import ConfigError, ModelError
from pipeline_core.models.facts import describe_model, pinned
from pipeline_core.models.families import FAMILIES
from pipeline_core.models.generative import GenerativeEmbedder
from pipeline_core.models.samples import IMAGE, PROMPT, ROLES, TEXT, SampleInput
from pipeline_core.models.settings import ModelSettings
from pipeline_core.planner.planning import plan_analysis
from tests.models import published, tiny
from tests.models.conformance import assert_embedded_alike, load, picture, prepared_elsewhere
from tests.models.published import PUBLISHED
from tests.models.tiny_embedders import EMBEDDERS
from tests.models.tiny_families import Tiny, save
from tests.models.tiny_generative import GENERATIVE
from tests.small import picture_folder, small_config

ASKED = "Find a heart"
HOUSE = "Summarize the above image in one word:"

SAMPLES = {
    "image": SampleInput("image", "image", picture(0, (50, 40)), None, HOUSE, "a"),
    "text": SampleInput("text", "text", None, "a red heart", HOUSE),
    "both": SampleInput("both", "both", picture(1, (90, 60)), "a hand {0}", None, "b"),
    "asked": SampleInput("asked", "own", picture(2, (64, 128)), None, ASKED, "c"),
    "asking": SampleInput("asking", "own", None, "two small dogs, a waving hand " * 3, f" {ASKED} "),
    "all": SampleInput("all", "own", picture(3, (140, 40)), "dark", ASKED, "d"),
}
"""Pictures, texts and both, with no instruction, a prompt for any model, or one of the data set's own."""

LONG = SAMPLES["asking"].text
PICTURE = "<|vision_start|><|image_pad|><|vision_end|>"


def qwen(system: str, user: str) -> str:
    return f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n"


def llama(user: str) -> str:
    start, end = "<|start_header_id|>", "<|end_header_id|>"
    return f"{start}user{end}\n\n{user}<|eot_id|>{start}assistant{end}\n\n \n"


GME, QWEN3, LAMRA = "You are a helpful assistant.", "Represent the user's input.", "You are a helpful assistant."

PROMPTS = {
    "gme": {
        "image": qwen(GME, PICTURE) + "<|endoftext|>",
        "text": qwen(GME, "a red heart") + "<|endoftext|>",
        "both": qwen(GME, PICTURE + "a hand {0}") + "<|endoftext|>",
        "asked": qwen(ASKED, PICTURE) + "<|endoftext|>",
        "asking": qwen(ASKED, LONG) + "<|endoftext|>",
        "all": qwen(ASKED, PICTURE + "dark") + "<|endoftext|>",
    },
    "qwen3_vl_embedding": {
        "image": qwen(QWEN3, PICTURE),
        "text": qwen(QWEN3, "a red heart"),
        "both": qwen(QWEN3, PICTURE + "a hand {0}"),
        "asked": qwen(f"{ASKED}.", PICTURE),
        "asking": qwen(f"{ASKED}.", LONG),
        "all": qwen(f"{ASKED}.", PICTURE + "dark"),
    },
    "vlm2vec": {
        "image": "<|image_pad|> Represent the given image.",
        "text": "a red heart",
        "both": "<|image_pad|> Represent the given image. a hand {0}",
        "asked": f"<|image_pad|> {ASKED}",
        "asking": f"{ASKED} {LONG}",
        "all": f"<|image_pad|> {ASKED} dark",
    },
    "lamra": {
        "image": qwen(LAMRA, f"{PICTURE}\nSummarize above image in one word: "),
        "text": qwen(LAMRA, "a red heart\nSummarize above sentence in one word: "),
        "both": qwen(LAMRA, PICTURE + "a hand {0}\nSummarize above image and sentence in one word: "),
        "asked": qwen(LAMRA, f"{PICTURE}{ASKED}\nSummarize above image and sentence in one word: "),
        "asking": qwen(LAMRA, f"{ASKED} {LONG}\nSummarize above sentence in one word: "),
        "all": qwen(LAMRA, f"{PICTURE}{ASKED} dark\nSummarize above image and sentence in one word: "),
    },
    "e5_v": {
        "image": llama("<image>\nSummary above image in one word: "),
        "text": llama("a red heart\nSummary above sentence in one word: "),
        "both": llama("<image>\na hand {0}\nSummary above image and text in one word: "),
        "asked": llama("<image>\nSummary above image in one word: "),
        "asking": llama(f"{LONG}\nSummary above sentence in one word: "),
        "all": llama("<image>\ndark\nSummary above image and text in one word: "),
    },
}
"""By family, the prompt of each sample."""

Recipe = Callable[[Any, Any, str, Image.Image | None], torch.Tensor]


def counted(model: Any, processor: Any, prompt: str, image: Image.Image | None) -> torch.Tensor:
    """States of a Qwen2-VL as these embedders' own code computes them: features put in, tokens counted from 0."""
    inputs = processor(text=[prompt], images=image and [image], return_tensors="pt")
    embedded = model.get_input_embeddings()(inputs["input_ids"])
    if image is not None:
        features = model.model.visual(inputs["pixel_values"], grid_thw=inputs["image_grid_thw"]).pooler_output
        embedded[inputs["input_ids"] == model.config.image_token_id] = features
    return model.model.language_model(inputs_embeds=embedded).last_hidden_state[0]


def gme(model: Any, processor: Any, prompt: str, image: Image.Image | None) -> torch.Tensor:
    if image is not None:
        width, height = (max(28, round(side / 28) * 28) for side in image.size)
        if width * height < 4 * 28 * 28:
            enlarged = math.sqrt(4 * 28 * 28 / (image.width * image.height))
            width, height = (math.ceil(side * enlarged / 28) * 28 for side in image.size)
        image = image.resize((width, height))
    processor.image_processor.size = {"shortest_edge": 256 * 28 * 28, "longest_edge": 1280 * 28 * 28}
    return counted(model, processor, prompt, image)[-1]


def vlm2vec(model: Any, processor: Any, prompt: str, image: Image.Image | None) -> torch.Tensor:
    return counted(model, processor, prompt, image)[-1]


def lamra(model: Any, processor: Any, prompt: str, image: Image.Image | None) -> torch.Tensor:
    """The state before ``<emb>``, which is added to a vocabulary that lacks it, with all that follows in the prompt."""
    if processor.tokenizer.add_tokens(["<emb>"]):
        model.resize_token_embeddings(len(processor.tokenizer))
    whole = f"{prompt}<emb>.<|im_end|>\n<|im_start|>assistant\n"
    ids = processor(text=[whole], images=image and [image], return_tensors="pt")["input_ids"][0]
    place = ids.tolist().index(processor.tokenizer.convert_tokens_to_ids("<emb>"))
    return counted(model, processor, whole, image)[place - 1]


def qwen3(model: Any, processor: Any, prompt: str, image: Image.Image | None) -> torch.Tensor:
    processor.image_processor.size = {"shortest_edge": 4 * 32 * 32, "longest_edge": 1800 * 32 * 32}
    inputs = processor(text=[prompt], images=image and [image], return_tensors="pt")
    return model.model(**inputs).last_hidden_state[0, -1]


def e5_v(model: Any, processor: Any, prompt: str, image: Image.Image | None) -> torch.Tensor:
    inputs = processor(text=[prompt], images=image and [image], return_tensors="pt")
    return model(**inputs, output_hidden_states=True).hidden_states[-1][0, -1]


@dataclass(frozen=True)
class Recipes:
    """An embedder's name, what the tiny one is made of, and its recipe."""

    name: str
    made: Tiny
    recipe: Recipe

    def prompt(self, sample: str) -> str:
        """Return a sample's prompt; a picture's placeholder is that of the model's type."""
        found = PROMPTS[self.made.family][sample]
        return found.replace("<|image_pad|>", "<image>") if self.recipe is e5_v else found


RECIPES = {
    "gme-Qwen2-VL-2B-Instruct": gme,
    "Qwen3-VL-Embedding-2B": qwen3,
    "VLM2Vec-Qwen2VL-2B": vlm2vec,
    "VLM2Vec-LLaVa-Next": e5_v,
    "LamRA-Ret": lamra,
    "e5-v": e5_v,
}


@dataclass(frozen=True)
class Member:
    """A tiny embedder, loaded as a user's folder is, and its recipe."""

    recipes: Recipes
    embedder: GenerativeEmbedder
    expected: Mapping[str, np.ndarray]

    def vectors(self, samples: list[SampleInput]) -> np.ndarray:
        pooling = RepresentationSettings().of_model(self.embedder.facts).pooling
        own = chosen_representation(self.embedder.representations(None), pooling, "all")
        return self.embedder.embed(samples, [own], ()).vectors[0]


@pytest.fixture(scope="module", params=EMBEDDERS)
def member(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Member:
    recipes = Recipes(request.param, EMBEDDERS[request.param], RECIPES[request.param])
    folder = save(tmp_path_factory.mktemp("models") / recipes.name, recipes.made)
    embedder, own = load(folder), load(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    with torch.inference_mode():
        expected = {
            name: recipes.recipe(model, own.processor, recipes.prompt(name), sample.image).numpy()
            for name, sample in SAMPLES.items()
        }
    return Member(recipes, embedder, expected)


@pytest.mark.parametrize("name", SAMPLES)
def test_prompts_ids_and_roles_are_the_recipe_s(member: Member, name: str) -> None:
    embedder, sample, prompt = member.embedder, SAMPLES[name], member.recipes.prompt(name)
    assert embedder._family.render(embedder.processor, sample, "generation") == prompt
    tokenized = embedder.prepare([sample]).samples[0]
    options = {"images": sample.image and [embedder._family.shown(sample.image)], "return_tensors": "pt"}
    ids = tokenized.tokens["input_ids"][0]
    assert ids.tolist() == embedder.processor(text=[prompt], **options)["input_ids"][0].tolist()
    decode = embedder.processor.tokenizer.decode
    assert decode(ids[torch.from_numpy(tokenized.roles == TEXT)]).strip() == (sample.text or "").strip()
    told = decode(ids[torch.from_numpy(tokenized.roles == PROMPT)]).strip()
    assert told == embedder._family.instruction(sample) and told in prompt
    assert (tokenized.roles == IMAGE).any() == (sample.image is not None)


def test_vectors_are_the_recipe_s_alone_and_beside_others(member: Member) -> None:
    together = member.vectors(list(SAMPLES.values()))
    for found, (name, sample) in zip(together, SAMPLES.items(), strict=True):
        np.testing.assert_allclose(found, member.expected[name], atol=1e-4)
        np.testing.assert_allclose(member.vectors([sample])[0], member.expected[name], atol=1e-5)


def test_samples_prepared_by_other_processes_are_embedded_alike(member: Member) -> None:
    """By a processor with the settings of the embedder's makers."""
    samples = list(SAMPLES.values())
    here = member.embedder.embed(samples, member.embedder.representations(None), ROLES)
    assert_embedded_alike(prepared_elsewhere(member.embedder, samples), here)


def test_it_is_known_by_its_folder_s_name_and_keeps_its_own_prompts(member: Member) -> None:
    facts = member.embedder.facts
    assert (facts.family, facts.pooling, facts.rendering) == (member.recipes.made.family, "last", "released")
    other = describe_model(ModelSettings(name=facts.place, rendering="generation"))
    assert other == facts and facts.prompts == (facts.family != "e5_v")


def test_every_embedder_has_a_recipe() -> None:
    named = {(one.name, model_type) for one in FAMILIES.values() if one.names for model_type in one.model_types}
    assert {(made.family, made.config["model_type"]) for made in EMBEDDERS.values()} == named


def test_a_processor_that_was_published_without_sizes_is_told_those_of_its_model(tmp_path: Path) -> None:
    sample, vectors = replace(SAMPLES["both"], text="dark"), []
    for place, left_out in (("whole", ()), ("old", ("patch_size", "vision_feature_select_strategy", "num_additional"))):
        made = GENERATIVE["llava_next"]
        kept = {name: value for name, value in made.processor.items() if not name.startswith(tuple(left_out))}
        embedder = load(save(tmp_path / place / "e5-v", replace(made, processor=kept)))
        vectors.append(embedder.embed([sample], embedder.representations(None), ()).vectors)
    np.testing.assert_array_equal(*vectors)


def folder(place: Path, model_type: str = "qwen2_vl") -> Path:
    """Return a folder that says what it is, and no more."""
    place.mkdir(parents=True)
    (place / "config.json").write_text(json.dumps({"model_type": model_type}))
    return place


def described(name: object, **options: Any) -> str:
    return describe_model(ModelSettings(name=str(name), **options)).family


def test_names_count_for_the_model_type_that_they_are_of(tmp_path: Path) -> None:
    assert described(folder(tmp_path / "gme-qwen2-vl-7b-instruct")) == "gme"
    assert described(folder(tmp_path / "gme-Qwen2-VL", "smolvlm")) == "smolvlm"
    assert described(folder(tmp_path / "VLM2Vec-LLaVa-Next", "llava_next")) == "vlm2vec"
    assert described(folder(tmp_path / "LamRA-Rank")) == described(folder(tmp_path / "gme" / "mine")) == "qwen2_vl"


def test_a_name_on_the_hub_tells_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    model = tmp_path / "models--Alibaba-NLP--gme-Qwen2-VL-2B-Instruct"
    folder(model / "snapshots" / commit)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert described("Alibaba-NLP/gme-Qwen2-VL-2B-Instruct", alias="mine") == "gme"


def test_an_adapter_is_told_by_its_own_name_then_by_its_base_s(tmp_path: Path) -> None:
    for adapter, base, family in (
        ("VLM2Vec-Qwen2VL-2B", "Qwen2-VL-2B-Instruct", "vlm2vec"),
        ("VLM2Vec-of-gme", "gme-Qwen2-VL-2B", "vlm2vec"),
        ("tuned", "gme-Qwen2-VL-7B", "gme"),
    ):
        (tmp_path / adapter).mkdir()
        told = {"base_model_name_or_path": str(folder(tmp_path / base)), "peft_type": "LORA"}
        (tmp_path / adapter / "adapter_config.json").write_text(json.dumps(told))
        assert described(tmp_path / adapter) == family


def test_a_family_can_be_set_and_is_kept_with_the_run(tmp_path: Path) -> None:
    mine, named = folder(tmp_path / "mine"), folder(tmp_path / "gme-qwen2-vl")
    assert (described(mine), described(mine, family="gme"), described(named, family="qwen2_vl")) == (
        "qwen2_vl",
        "gme",
        "qwen2_vl",
    )
    given = ModelSettings(name=str(named))
    assert pinned(given, describe_model(given)).family == "gme"
    assert described("reference-mllm", family="reference") == "reference"


@pytest.mark.parametrize(
    ("name", "family", "told"),
    [
        ("mine", "gme2", r"there is no model family 'gme2'; model\.family may be aimv2 or .*gme or "),
        (
            "mine",
            "e5_v",
            r"family e5_v does not serve .*mine \(qwen2_vl, auto\); set model\.family to .*gme or .*lamra",
        ),
        ("reference-mllm", "gme", r"gme does not serve reference-mllm \(auto\); set model\.family to reference$"),
    ],
)
def test_a_family_that_cannot_serve_a_model_is_refused(name: str, family: str, told: str, tmp_path: Path) -> None:
    folder(tmp_path / "mine")
    with pytest.raises((ConfigError, ModelError), match=told) as caught:
        described(tmp_path / name if name == "mine" else name, family=family)
    assert "\n" not in str(caught.value)


def test_what_is_analysed_is_the_last_token_of_an_embedder_and_the_mean_of_others(tmp_path: Path) -> None:
    named = folder(tmp_path / "gme-qwen2-vl")
    told = f"compare_with=[{{name: {named}}}, {{name: {named}, alias: set, family: qwen2_vl}}]"
    plan = plan_analysis(small_config(picture_folder(tmp_path / "pictures", 12), told))
    chosen = {
        model: {step.key.config["representation"]["pooling"] for name, step in plan.steps.items() if model in name}
        for model in ("index/reference-mllm", f"index/{named}", "index/set")
    }
    assert [*chosen.values()] == [{"mean"}, {"last"}, {"mean"}]


CONVERSATION = [{"type": "image"}, {"type": "text", "text": "dark"}]
LAMRA_WORDS = f"{ASKED} dark\nSummarize above image and sentence in one word: "
GENUINE: dict[str, tuple[str, str, list[dict[str, Any]]]] = {
    "gme": (
        "qwen2-vl-7b-instruct",
        "chat_template.json",
        [{"role": "system", "content": ASKED}, {"role": "user", "content": CONVERSATION}],
    ),
    "qwen3_vl_embedding": (
        "qwen3-vl-embedding-8b",
        "chat_template.jinja",
        [{"role": "system", "content": f"{ASKED}."}, {"role": "user", "content": CONVERSATION}],
    ),
    "vlm2vec": (
        "vlm2vec-qwen2vl",
        "template_vlm2vec_qwen2vl.jinja",
        [
            {
                "role": "user",
                "content": [{"type": "image"}, *({"type": "text", "text": word} for word in (ASKED, "dark"))],
            }
        ],
    ),
    "lamra": (
        "qwen2-vl-7b-instruct",
        "chat_template.json",
        [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": LAMRA_WORDS}]}],
    ),
}
"""By family, the published template and the conversation that its makers render with it for the sample ``all``."""


@pytest.mark.published
@pytest.mark.parametrize("family", GENUINE)
def test_prompts_are_those_of_the_published_templates(family: str) -> None:
    place, file, conversation = GENUINE[family]
    template = (published.PLACE / place / file).read_text(encoding="utf-8")
    if file.endswith(".json"):
        template = json.loads(template)["chat_template"]
    rendered = tiny.tokenizer().apply_chat_template(
        conversation, chat_template=template, add_generation_prompt=True, tokenize=False
    )
    assert rendered + "<|endoftext|>" * (family == "gme") == PROMPTS[family]["all"]


@pytest.mark.published
def test_token_counts_are_those_of_the_published_limits(tmp_path: Path) -> None:
    small, large = Image.new("RGB", (448, 336), "red"), Image.new("RGB", (4000, 3000), "red")
    # GME enlarges to 256 tokens of 28 pixels a side at least, Qwen3-VL-Embedding keeps 14 x 10 of 32; 1,280 and 1,800
    # tokens are the most.
    for name, place, counts, last in (
        ("gme-qwen2-vl", "qwen2-vl", (14 * 19, 30 * 41), "<|endoftext|>"),
        ("qwen3-vl-embedding", "qwen3-vl-embedding", (14 * 10, 36 * 48), "\n"),
    ):
        embedder = load(published.save(tmp_path / name, PUBLISHED[place]))
        for image, count in zip((small, large), counts, strict=True):
            tokenized = embedder.prepare([SampleInput("s", "p", image, None, ASKED)]).samples[0]
            assert (tokenized.roles == IMAGE).sum() == count
        assert embedder.processor.tokenizer.decode(tokenized.tokens["input_ids"][0, -1]) == last
