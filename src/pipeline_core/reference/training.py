"""Training of everything that is ours in the reference models: the MLLM's projector and the dual encoder's heads."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import BertModel, PreTrainedTokenizerBase
from transformers.models.llava.modeling_llava import LlavaMultiModalProjector

from pipeline_core.model_facts import Rendering
from pipeline_core.reference.assembly import llava_config, read_sentence_encoder
from pipeline_core.reference.dual import DualEncoderConfig, DualEncoderHeads, mean_of_tokens
from pipeline_core.reference.language import read_language_model, read_tokenizer
from pipeline_core.reference.names import HEADS_FILE, PROJECTOR_FILE
from pipeline_core.reference.training_chat import FrozenChat
from pipeline_core.reference.training_contrast import TextEncoder
from pipeline_core.reference.training_evaluation import evaluate
from pipeline_core.reference.training_loop import Schedule, TrainingLog
from pipeline_core.reference.training_pictures import NamedPicture, Progress, compute_views
from pipeline_core.reference.training_stages import Lesson, train_alignment, train_captions, train_heads
from pipeline_core.reference.vision import EfficientNetLiteModel, read_vision_tower

_ENCODER_BATCH = 128


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """Everything that decides the result; the defaults made the shipped weights.

    Attributes:
        seed: of initial weights, views, batches and labels.
        threads: of torch; sums in another order give other last digits.
        augmented_views: random views of each training picture beside the plain one.
        alignment: schedule of stage 1; 0 steps leave it out (the model card's ablation).
        captions: schedule of stage 2.
        rendering: of the prompts that captions answer.
        heads: schedule of the dual encoder's heads.
    """

    seed: int = 0
    threads: int = 2
    augmented_views: int = 3
    alignment: Schedule = field(default_factory=lambda: Schedule(steps=300, learning_rate=1e-3))
    captions: Schedule = field(default_factory=lambda: Schedule(steps=650, learning_rate=1e-3))
    rendering: Rendering = "released"
    heads: Schedule = field(default_factory=lambda: Schedule(steps=300, learning_rate=1e-3))


def train_reference(
    pictures: Sequence[NamedPicture], plan: TrainingPlan, folder: Path, progress: Progress
) -> dict[str, Any]:
    """Train projector and heads on the train split and write `projector.safetensors` and `heads.safetensors`.

    Support pictures are never opened; validation pictures, untoned, choose among checkpoints only; test pictures,
    untoned, are measured once when everything is trained.

    Args:
        pictures: all records; their `split` decides.
        plan: what decides the result.
        folder: gets the weights in half precision, `training.jsonl` and `evaluation.json`.
        progress: called as work advances.

    Returns:
        The best validation of each stage, by stage, and under `test` what `evaluate` measured.

    Raises:
        ModelError: an embedded package is not installed.
    """
    torch.set_num_threads(plan.threads)
    folder.mkdir(parents=True, exist_ok=True)
    provenance = {"seed": str(plan.seed), "train_pictures": train_digest(pictures), "rendering": plan.rendering}
    tower = read_vision_tower()
    lesson = _prepare(pictures, plan, tower, TrainingLog(folder / "training.jsonl"), progress)

    encoder, sentence_tokenizer = read_sentence_encoder()
    encode_sentences = sentence_vectors(encoder, sentence_tokenizer)
    torch.manual_seed(plan.seed)
    heads = DualEncoderHeads(
        DualEncoderConfig(vision_config=tower.config.to_dict(), text_config=encoder.config.to_dict())
    )
    results: dict[str, Any] = {"heads": train_heads(lesson, heads, encode_sentences, plan.heads)}
    save_half(heads, folder / HEADS_FILE, provenance)

    torch.manual_seed(plan.seed)
    language_model, tokenizer = read_language_model(), read_tokenizer()
    projector = LlavaMultiModalProjector(llava_config(tower.config, language_model.config, tokenizer))
    if plan.alignment.steps:
        words = language_model.get_input_embeddings().weight.detach()
        results["alignment"] = train_alignment(
            lesson, projector, words, mean_word_embeddings(words, tokenizer), plan.alignment
        )
    chat = FrozenChat(language_model, tokenizer)
    results["captions"] = train_captions(
        lesson,
        projector,
        chat,
        plan.rendering,
        plan.captions,
        keep=lambda best: save_half(best, folder / PROJECTOR_FILE, provenance),
    )

    test = [picture for picture in pictures if picture.split == "test" and picture.tone is None]
    views = compute_views(test, tower, augmented=0, seed=plan.seed, progress=progress)
    results["test"] = evaluate(test, views, chat, projector, heads, encode_sentences, plan.rendering)
    (folder / "evaluation.json").write_text(json.dumps(results, indent=2, ensure_ascii=False), encoding="utf-8")
    return results


def _prepare(
    pictures: Sequence[NamedPicture],
    plan: TrainingPlan,
    tower: EfficientNetLiteModel,
    log: TrainingLog,
    progress: Progress,
) -> Lesson:
    train = [picture for picture in pictures if picture.split == "train"]
    validation = [picture for picture in pictures if picture.split == "validation" and picture.tone is None]
    return Lesson(
        train=train,
        train_views=compute_views(train, tower, augmented=plan.augmented_views, seed=plan.seed, progress=progress),
        validation=validation,
        validation_views=compute_views(validation, tower, augmented=0, seed=plan.seed, progress=progress),
        seed=plan.seed,
        log=log,
        progress=progress,
    )


def train_digest(pictures: Sequence[NamedPicture]) -> str:
    """Return the SHA-256 of the train split's codes, by which a test sees that weights and split belong together."""
    codes = sorted(picture.code for picture in pictures if picture.split == "train")
    return hashlib.sha256("\n".join(codes).encode()).hexdigest()


def save_half(module: nn.Module, path: Path, provenance: dict[str, str]) -> None:
    """Write a module's weights in half precision, with where they come from as metadata; replaces `path` whole."""
    partial = path.with_suffix(".partial")
    save_file({name: value.half().contiguous() for name, value in module.state_dict().items()}, partial, provenance)
    partial.replace(path)


def mean_word_embeddings(words: torch.Tensor, tokenizer: PreTrainedTokenizerBase) -> TextEncoder:
    """Return the encoder of stage 1: the mean of a text's rows in the language model's table [vocabulary, d]."""
    return lambda texts: torch.stack([words[torch.tensor(tokenizer.encode(text))].mean(0) for text in texts])


def sentence_vectors(encoder: BertModel, tokenizer: PreTrainedTokenizerBase) -> TextEncoder:
    """Return the encoder of the heads' training: mean-pooled sentence vectors."""

    @torch.no_grad()
    def encode(texts: list[str]) -> torch.Tensor:
        parts = []
        for start in range(0, len(texts), _ENCODER_BATCH):
            batch = tokenizer(texts[start : start + _ENCODER_BATCH], padding=True, return_tensors="pt")
            states = encoder(**batch).last_hidden_state
            parts.append(mean_of_tokens(states, batch["attention_mask"]))
        return torch.cat(parts)

    return encode
