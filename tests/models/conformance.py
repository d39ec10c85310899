"""What is measured of a tiny model of a family, beside the model's own: tests hold it, a table shows it."""

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import AutoModel, AutoModelForImageTextToText, BlipForImageTextRetrieval

from pipeline_core.models.contrastive import ContrastiveEmbedder
from pipeline_core.models.embedder import Embedded, PreparingEmbedder
from pipeline_core.models.generative import GenerativeEmbedder
from pipeline_core.models.loading import load_processor
from pipeline_core.models.preparing import pickle_preparer, unpickle_preparer
from pipeline_core.models.samples import IMAGE, PROMPT, ROLES, TEXT, SampleInput
from pipeline_core.models.settings import ModelSettings
from tests.models import tiny
from tests.models.published import Published
from tests.models.tiny_families import Tiny, save

COUNTED = ("gme", "vlm2vec", "lamra")
"""Families whose makers count the tokens of a picture one by one."""

INSTRUCTION = "Summarize the above image in one word:"
States = np.ndarray
Pairs = Iterator[tuple[States, States]]


def picture(seed: int, size: tuple[int, int]) -> Image.Image:
    """A picture of random blocks."""
    return tiny.picture(seed).resize(size, Image.Resampling.NEAREST)


SAMPLES = [
    SampleInput("image", "image", picture(0, (50, 40)), None, INSTRUCTION, "a"),
    SampleInput("text", "text", None, "a red heart, a waving hand.", INSTRUCTION),
    SampleInput("both", "both", picture(1, (64, 32)), "with dark skin tone", INSTRUCTION, "b"),
    SampleInput("tall", "both", picture(2, (30, 90)), "a", INSTRUCTION, "c"),
    SampleInput("long", "text", None, "two small dogs, a naïve 👋🏿 wave " * 3, INSTRUCTION),
    SampleInput("wide", "image", picture(3, (140, 40)), None, INSTRUCTION, "d"),
]
"""Pictures, texts and both; every picture has a size of its own."""

BARE = [
    SampleInput("image", "none", picture(0, (50, 40))),
    SampleInput("text", "none", None, "a red heart"),
    SampleInput("both", "none", picture(1, (64, 32)), "with dark skin tone"),
    SampleInput("tall", "none", picture(2, (30, 90))),
    SampleInput("long", "none", None, "two small dogs with dark skin tone " * 3),
]
"""The like without instructions, for dual encoders."""


@dataclass(frozen=True)
class Member:
    """A tiny generative model, what it was made of, and its states of the texts before it saw a picture."""

    made: Tiny | Published
    folder: Path
    embedder: GenerativeEmbedder
    unshown: list[States]

    @cached_property
    def own(self) -> Any:
        """The model as transformers loads it."""
        return AutoModelForImageTextToText.from_pretrained(self.folder, attn_implementation=self.made.attention).eval()

    @cached_property
    def alone(self) -> list[States]:
        """States of each of ``SAMPLES`` by itself."""
        return [states_of(self.embedder, [sample])[0] for sample in SAMPLES]

    @cached_property
    def together(self) -> list[States]:
        """States of ``SAMPLES`` in one batch."""
        return states_of(self.embedder, SAMPLES)

    def rendered(self, sample: SampleInput) -> dict[str, Any]:
        """The model's inputs of one sample, by its processor as its makers call it."""
        processor = self.embedder.processor
        text = self.embedder._family.render(processor, sample, self.embedder.facts.rendering)
        bos = processor.tokenizer.bos_token
        options = {"return_tensors": "pt", "add_special_tokens": not (bos and text.startswith(bos))}
        if sample.image is None and self.made.family == "paligemma":
            return dict(processor.tokenizer([text], return_token_type_ids=True, **options))
        shown = None if sample.image is None else [self.embedder._family.shown(sample.image)]
        inputs = dict(processor(text=[text], images=shown, **options))
        if self.made.family in COUNTED and "image_grid_thw" in inputs:
            inputs["position_ids"] = torch.arange(inputs["input_ids"].shape[1]).expand(3, 1, -1)
        return {name: value for name, value in inputs.items() if name not in ("labels", "num_patches")}


def load(folder: Path, **options: Any) -> GenerativeEmbedder:
    """Load a saved generative model as a user's folder is loaded."""
    embedder = tiny.load(folder, **options)
    assert isinstance(embedder, GenerativeEmbedder)
    return embedder


def loaded(made: Tiny | Published, folder: Path) -> Member:
    """Load a saved model and show it texts."""
    embedder = load(folder, attention=made.attention)
    return Member(made, folder, embedder, states_of(embedder, [one for one in SAMPLES if one.image is None]))


def states_of(embedder: GenerativeEmbedder, samples: Sequence[SampleInput]) -> list[States]:
    """Each sample's states [layers + 1, tokens, width], padding cut off."""
    batch = embedder.prepare(samples)
    layers: list[torch.Tensor] = []
    embedder.run(batch, lambda _, states: layers.append(states.clone()))
    stacked = torch.stack(layers).float().cpu().numpy()
    return [stacked[:, row, : len(roles)] for row, roles in enumerate(batch.roles)]


@torch.inference_mode()
def own_states(member: Member, sample: SampleInput) -> States:
    """A sample's states by a plain forward pass, the last after the final norm."""
    output = member.own.base_model(**member.rendered(sample), output_hidden_states=True, use_cache=False)
    return torch.stack([*output.hidden_states[:-1], output.last_hidden_state])[:, 0].numpy()


def batched_states(member: Member) -> Pairs:
    """States of samples all together beside those of each alone, and of two and three at a time."""
    yield from zip(member.together, member.alone, strict=True)
    for size in (2, 3):
        for start in range(0, len(SAMPLES), size):
            some = slice(start, start + size)
            yield from zip(member.together[some], states_of(member.embedder, SAMPLES[some]), strict=True)


def words_of_roles(member: Member, sample: SampleInput) -> tuple[list[object], list[object]]:
    """What the tokens of each role say beside what was put in.

    Text, instruction, kinds of token in the picture, and tokens of the picture where the config has their id.
    """
    tokenized = member.embedder.prepare([sample]).samples[0]
    ids = tokenized.tokens["input_ids"][0]
    decode = member.embedder.processor.tokenizer.decode
    of_role = {role: ids[torch.from_numpy(tokenized.roles == role)] for role in (TEXT, PROMPT, IMAGE)}
    told: list[object] = [decode(of_role[TEXT]).strip(), decode(of_role[PROMPT]).strip()]
    put_in: list[object] = [(sample.text or "").strip(), member.embedder._family.instruction(sample)]
    picture_id = getattr(member.embedder._base.config, "image_token_id", of_role[IMAGE][:1])
    told += [len(set(of_role[IMAGE].tolist())), len(of_role[IMAGE])]
    put_in += [int(sample.image is not None), int((ids == picture_id).sum()) if len(of_role[IMAGE]) else 0]
    return told, put_in


@torch.inference_mode()
def attention_weights(member: Member, sample: SampleInput) -> tuple[GenerativeEmbedder, list[States], list[States]]:
    """A sample's attention weights [heads, tokens, tokens], layer by layer, and those of a plain forward pass."""
    embedder = member.embedder if member.made.attention == "eager" else load(member.folder, attention="eager")
    model = AutoModelForImageTextToText.from_pretrained(member.folder, attn_implementation="eager").eval()
    own = model.base_model(**member.rendered(sample), output_attentions=True).attentions
    seen: list[States] = []
    embedder.attend(embedder.prepare([sample]), lambda _, weights: seen.append(weights[0].numpy().copy()))
    return embedder, seen, [found[0].numpy() for found in own if found is not None]


@dataclass(frozen=True)
class Dual:
    """A tiny dual encoder, what it was made of, and the class that transformers loads it with."""

    made: Tiny | Published
    folder: Path
    embedder: ContrastiveEmbedder
    kind: Any


def kind_of(family: str) -> Any:
    """Return the class of a family's dual encoders."""
    return BlipForImageTextRetrieval if family == "blip" else AutoModel


def loaded_dual(made: Tiny | Published, folder: Path) -> Dual:
    """Load a saved dual encoder."""
    embedder = tiny.load(folder, attention=made.attention)
    assert isinstance(embedder, ContrastiveEmbedder)
    return Dual(made, folder, embedder, kind_of(made.family))


def saved_dual(made: Tiny, folder: Path) -> Dual:
    """Save and load a tiny dual encoder."""
    return loaded_dual(made, save(folder, made, kind_of(made.family)))


@torch.inference_mode()
def own_vectors(member: Dual) -> np.ndarray:
    """Vectors of a picture and a text, the first two of ``BARE``, by the model's own class."""
    model = member.kind.from_pretrained(member.folder, attn_implementation="eager").eval()
    processor = member.embedder.processor
    pixels = processor.image_processor(images=[BARE[0].image], return_tensors="pt")
    words = dict(processor.tokenizer([BARE[1].text], return_tensors="pt", return_token_type_ids=False))
    if member.made.family == "siglip":
        missing = (0, 64 - words["input_ids"].shape[1])
        words = {
            "input_ids": torch.nn.functional.pad(
                words["input_ids"], missing, value=model.config.get_text_config().pad_token_id
            )
        }
    if member.made.family == "blip":
        image = model.vision_proj(model.vision_model(**pixels).last_hidden_state[:, 0])
        text = model.text_proj(model.text_encoder(**words).last_hidden_state[:, 0])
    else:
        image = model.get_image_features(**pixels).pooler_output
        text = model.get_text_features(**words).pooler_output
    return torch.cat([image, text]).numpy()


def batched_vectors(member: Dual) -> Pairs:
    """Vectors of samples alone beside those of all together, pictures forgotten and remembered."""
    alone = np.concatenate([member.embedder.vectors([sample]) for sample in BARE])
    yield member.embedder.vectors(BARE), alone
    with member.embedder.remembering_pictures():
        for _ in range(2):
            yield member.embedder.vectors(BARE), alone


def prepared_elsewhere(embedder: PreparingEmbedder, samples: Sequence[SampleInput], **options: Any) -> Embedded:
    """Embed what a preparer makes that was pickled, with a processor that was loaded without the model."""
    settings = ModelSettings(name=embedder.facts.place, **options)
    processor = load_processor(settings, embedder.facts, Path(embedder.facts.place).parent)
    preparer = unpickle_preparer(pickle_preparer(embedder), processor)
    assert preparer is not embedder.preparer
    inputs = pickle.loads(pickle.dumps(preparer(samples)))
    return embedder.embed_prepared(inputs, embedder.representations(None), ROLES)


def assert_embedded_alike(one: Embedded, other: Embedded) -> None:
    """See that all that was made of samples is equal, bit by bit."""
    np.testing.assert_array_equal(one.vectors, other.vectors)
    np.testing.assert_array_equal(one.n_tokens, other.n_tokens)
    assert one.long == other.long
    for kept, again in zip(one.tokens, other.tokens, strict=True):
        assert kept.row == again.row
        for field in ("positions", "roles", "states"):
            np.testing.assert_array_equal(getattr(kept, field), getattr(again, field))
