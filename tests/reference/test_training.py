"""Training on the real parts in miniature: batches, losses against second implementations, the loop, the weights."""

import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from torch import nn
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM

from pipeline_core.dataset.sources.emoji.records import read_emoji_records
from pipeline_core.reference.language import IMAGE_TOKEN
from pipeline_core.reference.names import HEADS_FILE, PROJECTOR_FILE, WEIGHTS
from pipeline_core.reference.training import train_digest
from pipeline_core.reference.training_captions import CaptionLoss, PooledRetrieval
from pipeline_core.reference.training_chat import FrozenChat
from pipeline_core.reference.training_contrast import (
    TokenAlignment,
    encode_labels,
    info_nce,
    label_texts,
    retrieval_rates,
)
from pipeline_core.reference.training_loop import Schedule, TrainingLog, fit
from pipeline_core.reference.training_pictures import augment, compute_views, family_batches
from pipeline_core.reference.training_texts import DESCRIBING, LISTING, NAMING, draw_exchange
from pipeline_core.reference.vision import picture_processor, read_vision_tower


@pytest.fixture(scope="module")
def records():
    return read_emoji_records()


@pytest.fixture(scope="module")
def chat(mllm_processor):
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=49152,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    return FrozenChat(LlamaForCausalLM(config), mllm_processor.tokenizer)


@dataclass(frozen=True)
class Named:
    """A picture without a file."""

    code: str
    name: str
    keywords: tuple[str, ...] = ()
    family: str = "one"
    tone: str | None = None
    picture: Path = Path()
    split: str = "train"


def test_the_shipped_weights_were_trained_on_this_train_split(records):
    expected = train_digest(records)
    for name in (PROJECTOR_FILE, HEADS_FILE):
        with safe_open(WEIGHTS / name, "pt") as file:
            assert file.metadata()["train_pictures"] == expected


def test_the_digest_sees_a_picture_that_changes_split(records):
    assert train_digest([record for record in records if record.split != "train"]) != train_digest(records)
    assert train_digest(records[::-1]) == train_digest(records)


def test_a_batch_holds_no_family_twice_and_a_pass_holds_all(records):
    train = [record for record in records if record.split == "train"]
    families = {record.family for record in train}
    batches = list(itertools.islice(family_batches(train, 64, np.random.default_rng(0)), len(families) // 64))
    drawn = [train[row].family for batch in batches for row in batch]
    assert len(drawn) == len(set(drawn)) == len(families) // 64 * 64
    toned = [train[row].tone is not None for batch in batches for row in batch]
    assert 0.02 < np.mean(toned) < 0.34


def test_the_first_view_is_the_picture_itself_and_the_others_differ(records):
    tower = read_vision_tower()
    done = []
    views = compute_views(records[:3], tower, augmented=2, seed=0, progress=lambda what, at, of: done.append((at, of)))
    images = [Image.open(record.picture) for record in records[:3]]
    with torch.inference_mode():
        output = tower(picture_processor()(images, return_tensors="pt")["pixel_values"])
    tokens, pooled = views.plain(range(3))
    torch.testing.assert_close(tokens, output.last_hidden_state, atol=5e-3, rtol=1e-3)
    torch.testing.assert_close(pooled, output.pooler_output, atol=5e-3, rtol=1e-3)
    assert views.tokens.shape == (3, 3, 16, 1280)
    assert not torch.equal(views.tokens[:, 0], views.tokens[:, 1])
    assert not torch.equal(views.tokens[:, 1], views.tokens[:, 2])
    assert done[-1] == (3, 3)


def test_augmented_art_stays_whole_on_a_light_ground(heart):
    for seed in range(20):
        view = np.asarray(augment(heart, np.random.default_rng(seed)))
        assert view.shape == (224, 224, 3)
        red = (view[..., 0] > 180) & (view[..., 1] < 100)
        assert red.mean() > 0.1
        edges = np.concatenate([view[0], view[-1], view[:, 0], view[:, -1]])
        assert np.median(edges) >= 205


def test_an_augmentation_is_decided_by_its_seed(heart):
    first, second = (np.asarray(augment(heart, np.random.default_rng(7))) for _ in range(2))
    assert np.array_equal(first, second)


def test_exchanges_match_instruction_and_answer():
    picture = Named("1", "red heart", ("love", "red"))
    generator = np.random.default_rng(0)
    seen = set()
    for _ in range(200):
        exchange = draw_exchange(picture, generator)
        if exchange.instruction in NAMING:
            assert exchange.caption == "red heart"
        elif exchange.instruction in DESCRIBING:
            assert "red heart" in exchange.caption
            assert exchange.caption != "red heart"
        else:
            assert exchange.instruction in LISTING
            assert set(exchange.caption.split(", ")) <= {"love", "red"}
        seen.add(exchange.instruction)
    assert seen == {*NAMING, *DESCRIBING, *LISTING}


def test_a_picture_without_keywords_is_never_asked_for_them():
    generator = np.random.default_rng(0)
    assert not {draw_exchange(Named("1", "flag: Peru"), generator).instruction for _ in range(100)} & set(LISTING)


def test_labels_are_encoded_once_and_found_again():
    pictures = [Named("1", "heart", ("love", "red")), Named("2", "rose", ("red",)), Named("3", "flag")]
    encoded = []

    def encode(texts):
        encoded.extend(texts)
        return torch.arange(len(texts), dtype=torch.float32)[:, None]

    labels = encode_labels(pictures, encode)
    assert len(encoded) == len(set(encoded))
    assert [encoded[int(value)] for value in labels.names([2, 0])] == ["flag", "heart"]
    generator = np.random.default_rng(0)
    drawn = {encoded[int(labels.draw([0], generator))] for _ in range(100)}
    assert drawn == set(label_texts(pictures[0]))


def test_info_nce_equals_its_formula():
    generator = np.random.default_rng(0)
    image, text = (
        vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in generator.normal(size=(2, 5, 8))
    )
    logits = 3.0 * image @ text.T
    rows = -np.log(np.exp(logits.diagonal()) / np.exp(logits).sum(1)).mean()
    columns = -np.log(np.exp(logits.diagonal()) / np.exp(logits).sum(0)).mean()
    loss = info_nce(torch.tensor(image), torch.tensor(text), torch.tensor(3.0))
    assert loss.item() == pytest.approx((rows + columns) / 2)


def test_hit_rates_count_ranks():
    text = torch.eye(4)
    image = torch.eye(4)[[0, 1, 3, 2]]
    assert retrieval_rates(image, text, (1, 4)) == {"t2i_hit1": 50, "t2i_hit4": 100, "i2t_hit1": 50, "i2t_hit4": 100}


def test_alignment_pulls_tokens_to_words_of_their_norm():
    torch.manual_seed(0)
    words = torch.randn(40, 16) * 3 + 1
    pictures = [Named(str(row), f"name {row}", family=str(row)) for row in range(8)]
    labels = encode_labels(pictures, lambda texts: words[: len(texts)])
    alignment = TokenAlignment(nn.Linear(12, 16), words, labels)
    tokens = torch.randn(8, 16, 12)
    optimizer = torch.optim.Adam(alignment.parameters(), 1e-2)
    first = None
    for _ in range(200):
        optimizer.zero_grad()
        loss = alignment(tokens, labels.names(range(8)))
        first = first or loss.item()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.5 * first
    offset = alignment.eval().projector(tokens) - alignment.center
    assert offset.norm(dim=-1).mean().item() == pytest.approx(alignment.word_norm, rel=0.25)


@pytest.mark.parametrize("rendering", ["released", "generation"])
def test_the_caption_loss_is_the_language_models_own(chat, rendering):
    """Cached beginning, right padding and label places against one plain pass a picture over the whole chat."""
    tokenizer, model = chat.tokenizer, chat.model
    images = torch.randn(2, 16, 32)
    blank = " " if rendering == "released" else ""
    exchanges = [draw_exchange(Named("1", "red heart", ("love",)), np.random.default_rng(seed)) for seed in (0, 3)]
    assert len(exchanges[0].caption) != len(exchanges[1].caption)
    total, count = 0.0, 0
    for image, exchange in zip(images, exchanges, strict=True):
        content = [{"type": "image"}, {"type": "text", "text": f"\n{exchange.instruction}{blank}"}]
        asked = tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=not blank
        ).replace(IMAGE_TOKEN, IMAGE_TOKEN * 16)
        ids = torch.tensor(tokenizer.encode(asked + exchange.caption + "<|im_end|>"))
        embedded = model.get_input_embeddings()(ids)
        embedded[ids == tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)] = image
        answer = len(tokenizer.encode(exchange.caption)) + 1
        logits = model(inputs_embeds=embedded[None]).logits[0, -answer - 1 : -1]
        total += functional.cross_entropy(logits, ids[-answer:], reduction="sum").item()
        count += answer
    assert CaptionLoss(chat, rendering)(images, exchanges).item() == pytest.approx(total / count, rel=1e-4)


def test_gradients_reach_the_picture_and_nothing_else(chat):
    images = torch.randn(1, 16, 32, requires_grad=True)
    CaptionLoss(chat, "released")(images, [draw_exchange(Named("1", "red heart"), np.random.default_rng(0))]).backward()
    assert images.grad.abs().sum() > 0
    assert all(weight.grad is None for weight in chat.model.parameters())


def test_pooled_states_are_the_mean_over_the_whole_chat(chat):
    names = ["red heart", "a very long name indeed"]
    retrieval = PooledRetrieval(chat, names)
    for name, pooled in zip(names, retrieval._text_nd, strict=True):
        message = {"role": "user", "content": f"{name}\nSummarize the above sentence in one word: "}
        ids = chat.tokenizer.apply_chat_template([message], return_tensors="pt")["input_ids"]
        torch.testing.assert_close(pooled, chat.model.model(ids).last_hidden_state[0].mean(0), atol=1e-4, rtol=1e-3)
    rates = retrieval(torch.randn(2, 16, 32), (1, 2))
    assert rates["raw_t2i_hit2"] == rates["centred_i2t_hit2"] == 100


def regression(tmp_path, steps):
    torch.manual_seed(0)
    inputs = torch.randn(64, 3)
    target = inputs @ torch.tensor([1.0, -2.0, 0.5])
    model = nn.Linear(3, 1)

    def error(module):
        return functional.mse_loss(module(inputs)[:, 0], target)

    best = fit(
        "regression",
        model,
        lambda: error(model),
        lambda module: {"score": -error(module).item()},
        Schedule(steps=steps, learning_rate=0.05, warmup=5, validate_every=20, averaging=0.9),
        log=TrainingLog(tmp_path / "log.jsonl"),
        progress=lambda *_: None,
    )
    return model, best, error


def test_the_loop_learns_keeps_the_best_and_logs(tmp_path):
    model, best, error = regression(tmp_path, 100)
    assert -best["score"] < 0.1
    assert error(model).item() == pytest.approx(-best["score"], rel=1e-5)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [20, 40, 60, 80, 100]
    assert max(line["score"] for line in lines) == pytest.approx(best["score"], abs=1e-5)


def test_the_loop_ends_when_patience_does_and_returns_to_the_best(tmp_path):
    model = nn.Linear(1, 1, bias=False)
    scores = iter([1.0, 3.0, 2.0, 2.5, 9.0])
    kept = []
    best = fit(
        "worse",
        model,
        lambda: -model.weight.sum(),
        lambda _: {"score": next(scores)},
        Schedule(steps=50, learning_rate=0.1, warmup=2, validate_every=10, patience=2),
        log=TrainingLog(tmp_path / "log.jsonl"),
        progress=lambda *_: None,
        keep=lambda module: kept.append(module.weight.item()),
    )
    assert best["step"] == 20
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 4
    assert model.weight.item() == kept[-1] == max(kept)


def test_the_loop_is_deterministic(tmp_path):
    first, second = (regression(tmp_path, 40)[0] for _ in range(2))
    assert torch.equal(first.weight, second.weight)
