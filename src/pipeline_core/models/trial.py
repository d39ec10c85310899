"""Whether a model is embedded right: each thing that could silently be wrong, measured on the model itself.

What is compared is prepared without what is checked: by the processor as its makers call it, and by the model's own
outputs. That is why this file looks inside embedders. Only what a family states of its models holds for both sides: the
prompt's layout, the picture that the processor is given, and whether places are counted.
"""

import inspect
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw

from pipeline_core.dataset.prompts import IMAGE as IMAGE_PROMPT
from pipeline_core.dataset.prompts import PROMPTS
from pipeline_core.errors import LensError, ModelError, reason_of
from pipeline_core.model_facts import ModelFacts
from pipeline_core.models.check import COARSE, largest_difference
from pipeline_core.models.contrastive import ContrastiveEmbedder
from pipeline_core.models.embedder import Embedder
from pipeline_core.models.generative import GenerativeEmbedder
from pipeline_core.models.loading import load_embedder
from pipeline_core.models.representations import chosen_representation
from pipeline_core.models.samples import IMAGE, PROMPT, ROLES, TEXT, SampleInput
from pipeline_core.models.settings import ModelSettings
from pipeline_core.models.tokens import takes_texts
from pipeline_core.placement import Placement

Floats = npt.NDArray[np.float32]

EXACT, ROUNDED = 1e-5, 1e-4
"""Largest differences in float32, as shares of the largest value: of equal arithmetic, and of another order of it."""

SMALL = 1 << 30
"""Numbers in a model up to which it is loaded again at another precision without being asked."""

_LEAST_COSINE = 0.99
_BATCHES = range(3, 9)
_OF_PICTURES, _OF_WORDS = PROMPTS[IMAGE_PROMPT], "Find an image that shows this:"
"""A prompt that any model is asked with, for which embedders have their own, and one that a data set may bring."""


def _picture(colour: str, width: int, height: int) -> Image.Image:
    image = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(image).ellipse((width // 8, height // 4, width // 2, height - 1), fill=colour)
    return image


SAMPLES = tuple(
    SampleInput(name, "check", None, text, _OF_WORDS)
    if size is None
    else SampleInput(name, "check", _picture(name, *size), text, _OF_PICTURES, name)
    for name, size, text in (
        ("red", (224, 224), None),
        ("short", None, "a red heart"),
        ("green", (96, 160), "a green leaf"),
        ("blue", (320, 128), None),
        ("long", None, "two small dogs on a wide meadow beside a river, far away"),
        ("orange", (64, 64), "an orange, cut in half, on a white plate beside a knife"),
        ("purple", (200, 333), None),
        ("word", None, "wave"),
    )
)
"""Pictures, texts and both, of different lengths; every picture has a size of its own."""

_OF_EACH_KIND = SAMPLES[:3]


@dataclass(frozen=True)
class Finding:
    """What a check found; ``ok`` is None where there is nothing to check."""

    check: str
    ok: bool | None
    found: str


class Measured(NamedTuple):
    """Whether a check holds, None where it does not apply, and its figures."""

    ok: bool | None
    found: str


def check_model(
    settings: ModelSettings,
    facts: ModelFacts,
    placement: Placement,
    cache: Path,
    *,
    both_precisions: bool = False,
    tell: Callable[[str], None] = lambda check: None,
) -> Iterator[Finding]:
    """Check a model, one thing after the other; what goes wrong in a check is its finding.

    Args:
        settings: which model.
        facts: what is known of it.
        placement: where it runs.
        cache: folder below which reference models are assembled.
        both_precisions: load it at another precision too, however large it is.
        tell: called with the name of each check before it begins.
    """
    kind = f"{facts.kind}, {facts.dtype}, attention {facts.attention}"
    yield Finding("family", True, f"{facts.family}: {kind}")
    tell("weights")

    def load_with(**changes: Any) -> Embedder:
        changed = replace(facts, **changes)
        return load_embedder(settings, changed, placement.device, cache, placement.device_map)

    try:
        embedder = load_with()
    except LensError as error:
        yield Finding("weights", False, error.problem)
        return
    size = _size(embedder)
    yield Finding("weights", True, "none missing" if size is None else f"{size:,} numbers, none missing")
    for name, measure in _checks(embedder):
        tell(name)
        yield _found(name, partial(measure, embedder))
    before, generative = analysed_vector(embedder), isinstance(embedder, GenerativeEmbedder)
    # A large model fits once.
    del embedder
    if generative:
        tell("attention")
        yield _found("attention", lambda: attention_is_its_own(load_with(attention="eager")))
    if not both_precisions and (size is None or size > SMALL):
        yield Finding("precision", None, "it is large: --bf16 loads it at another precision too")
        return
    tell("precision")
    other = "bfloat16" if facts.dtype == "float32" else "float32"
    yield _found("precision", lambda: precisions_agree(load_with(dtype=other), before, facts.dtype))


def _checks(embedder: Embedder) -> list[tuple[str, Callable[[Any], Measured]]]:
    """Return the checks that apply to an embedder as it is loaded."""
    of_all: list[tuple[str, Callable[[Any], Measured]]] = [
        ("batches", batches_change_nothing),
        ("pictures", memory_changes_nothing),
    ]
    if isinstance(embedder, GenerativeEmbedder):
        first = [("states", states_are_its_own), ("roles", roles_are_plausible), ("beginning", sharing_changes_nothing)]
        return [*first, *of_all]
    if isinstance(embedder, ContrastiveEmbedder):
        return [("vectors", vectors_are_its_own), *of_all]
    return of_all


def _found(name: str, measure: Callable[[], Measured]) -> Finding:
    try:
        return Finding(name, *measure())
    except LensError as error:
        return Finding(name, False, error.problem)
    except Exception as error:  # whatever a model's own code raises, it is the model that fails
        return Finding(name, False, reason_of(error))


def states_are_its_own(embedder: GenerativeEmbedder) -> Measured:
    """Compare the states of every layer with those that the model returns of inputs made by its processor alone."""
    worst, decoder = 0.0, embedder._decoder
    entered: list[torch.Tensor] = []
    for sample in _OF_EACH_KIND:
        watch = decoder.norm.register_forward_pre_hook(lambda _, states: entered.append(states[0]))
        with torch.inference_mode(), watch:
            output = embedder._base(**_own_inputs(embedder, sample), output_hidden_states=True, use_cache=False)
        if not output.hidden_states:
            return Measured(None, "the model does not return its states")
        last = output.last_hidden_state if decoder.normed else entered[-1]
        own = np.stack([_array(states[0]) for states in (*output.hidden_states[:-1], last)])
        found = _states(embedder, sample)
        if own.shape != found.shape:
            return Measured(False, f"{found.shape} layers, tokens and width, the model's own are {own.shape}")
        worst = max(worst, largest_difference(found, own))
    where = f"layers 0 to {embedder.n_layers}, {'final norm in' if decoder.normed else 'no final norm after'} the last"
    return _within(worst, EXACT, embedder, where)


def batches_change_nothing(embedder: Embedder) -> Measured:
    """Compare every representation of samples alone with those in batches of 3 to 8, kinds and sizes mixed."""
    alone = np.concatenate([_vectors(embedder, [sample]) for sample in SAMPLES], axis=1)
    worst = 0.0
    for size in _BATCHES:
        rows = [(size + n) % len(SAMPLES) for n in range(size)]
        found = _vectors(embedder, [SAMPLES[row] for row in rows])
        worst = max(worst, largest_difference(found, alone[:, rows]))
    return _within(worst, ROUNDED, embedder, f"batches of {_BATCHES[0]} to {_BATCHES[-1]} against alone")


def roles_are_plausible(embedder: GenerativeEmbedder) -> Measured:
    """Read words and instruction back from the tokens that have their roles, and see that pictures have tokens."""
    for sample in _OF_EACH_KIND:
        tokens = embedder.prepare([sample]).samples[0]
        for role, words in ((TEXT, sample.text), (PROMPT, embedder._family.instruction(sample))):
            ids = tokens.tokens["input_ids"][0][torch.from_numpy(tokens.roles == role)]
            spoken = str(embedder.processor.tokenizer.decode(ids))
            if _plain(spoken) != _plain(words or ""):
                return Measured(False, f"tokens of the {ROLES[role]} {words!r} read {spoken!r}")
        if bool((tokens.roles == IMAGE).any()) != (sample.image is not None):
            return Measured(False, f"{(tokens.roles == IMAGE).sum()} tokens of a picture in sample {sample.sample_id}")
    counts = ", ".join(f"{(tokens.roles == number).sum()} {role}" for number, role in enumerate(ROLES))
    without = "; no chat template lays them out" * embedder.untemplated
    return Measured(True, f"tokens of a picture with words: {counts}{without}")


def sharing_changes_nothing(embedder: GenerativeEmbedder) -> Measured:
    """Compare a text alone with the same beside itself, where what prompts begin with alike is run once."""
    sample = SAMPLES[1]
    batch = embedder.prepare([sample, sample])
    shared = embedder.shared_tokens(batch)
    if not shared:
        return Measured(None, "nothing is shared: prompts begin otherwise, or attention forbids it")
    worst = largest_difference(_states(embedder, sample, sample), _states(embedder, sample))
    return _within(worst, ROUNDED, embedder, f"{shared} tokens run once for all, against each by itself")


def memory_changes_nothing(embedder: Embedder) -> Measured:
    """Compare samples whose pictures are remembered with the same looked at anew."""
    pictured = [sample for sample in SAMPLES if sample.image is not None]
    fresh = np.concatenate([_vectors(embedder, [sample]) for sample in pictured], axis=1)
    with embedder.remembering_pictures():
        found = [np.concatenate([_vectors(embedder, [sample]) for sample in pictured], axis=1) for _ in range(2)]
    worst = max(largest_difference(each, fresh) for each in found)
    return _within(worst, EXACT, embedder, "pictures remembered against looked at anew")


def attention_is_its_own(embedder: Embedder) -> Measured:
    """Compare attention weights with those that the model returns, and see that rows sum to one."""
    assert isinstance(embedder, GenerativeEmbedder)
    sample = SAMPLES[2]
    with torch.inference_mode():
        output = embedder._base(**_own_inputs(embedder, sample), output_attentions=True, use_cache=False)
    own = [_array(weights) for weights in output.attentions or () if weights is not None]
    found: list[Floats] = []
    embedder.attend(embedder.prepare([sample]), lambda _, weights: found.append(_array(weights)))
    sums = max(float(np.abs(weights.sum(-1) - 1).max()) for weights in found)
    if not own:
        return _within(sums, EXACT, embedder, f"rows of {len(found)} layers sum to one; the model returns none itself")
    if len(own) != len(found):
        return Measured(False, f"{len(found)} layers, the model's own are {len(own)}")
    worst = max(float(np.abs(one - other).max()) for one, other in zip(found, own, strict=True))
    return _within(max(sums, worst), EXACT, embedder, f"{len(own)} layers; rows sum to one")


def analysed_vector(embedder: Embedder) -> Floats:
    """Return the vector [width] of a picture under the mean over all tokens at the last layer, or the model's own."""
    representation = chosen_representation(embedder.representations(None), "mean", "all")
    vector: Floats = embedder.embed(SAMPLES[:1], [representation], ()).vectors[0, 0]
    return vector


def precisions_agree(embedder: Embedder, before: Floats, dtype: str) -> Measured:
    """Compare the direction of ``analysed_vector`` with the one that the model gave at the precision ``dtype``."""
    after = analysed_vector(embedder)
    cosine = float(np.dot(_direction(after), _direction(before)))
    words = f"cosine between {dtype} and {embedder.facts.dtype} (at least {_LEAST_COSINE})"
    return Measured(cosine >= _LEAST_COSINE, f"{cosine:.5f} {words}")


def vectors_are_its_own(embedder: ContrastiveEmbedder) -> Measured:
    """Compare the directions of a picture's and a text's vector with those of the model's own forward pass."""
    picture, words = SAMPLES[:2]
    processor, model = embedder.processor, embedder._model
    options = {**embedder.preparer.text_options, "truncation": True, "padding_side": "right", "return_tensors": "pt"}
    inputs = {**processor.image_processor(images=[picture.image], return_tensors="pt")}
    inputs |= processor.tokenizer([words.text], **options)
    try:
        with torch.inference_mode():
            output = model(**_fitting(embedder, model, inputs))
        image, text = output.image_embeds[0], output.text_embeds[0]
    except (AttributeError, TypeError):
        return Measured(None, "the model's own forward pass returns no vectors")
    found, own = embedder.vectors([picture, words]), np.stack([_array(image), _array(text)])
    worst = largest_difference(_direction(found)[None], _direction(own)[None])
    return _within(worst, EXACT, embedder, "a picture's and a text's direction")


def _own_inputs(embedder: GenerativeEmbedder, sample: SampleInput) -> dict[str, torch.Tensor]:
    """Return the model's inputs of one sample, by its processor as its makers call it."""
    processor, family = embedder.processor, embedder._family
    rendered = family.render(processor, sample, embedder.facts.rendering)
    bos = processor.tokenizer.bos_token
    options = {"return_tensors": "pt", "add_special_tokens": not (bos and rendered.startswith(bos))}
    if sample.image is None and not takes_texts(processor):
        outputs = processor.tokenizer([rendered], **family.text_options, **options)
    else:
        pictures = {} if sample.image is None else {"images": [family.shown(sample.image)]}
        outputs = processor(text=[rendered], **pictures, **options)
    inputs = _fitting(embedder, embedder._base, outputs)
    # A model that keeps positions of the batch before would place this one by them.
    if hasattr(embedder._base, "rope_deltas"):
        embedder._base.rope_deltas = None
        if not family.grid_places:
            inputs["position_ids"] = torch.arange(inputs["input_ids"].shape[1]).expand(3, 1, -1).to(embedder._device)
    return inputs


def _fitting(embedder: GenerativeEmbedder | ContrastiveEmbedder, model: Any, inputs: Any) -> dict[str, torch.Tensor]:
    """Return the inputs that a model takes, on its device and at its precision."""
    accepted = inspect.signature(model.forward).parameters
    return {
        name: value.to(embedder._device, model.dtype if value.is_floating_point() else value.dtype)
        for name, value in inputs.items()
        if name in accepted and isinstance(value, torch.Tensor)
    }


def _states(embedder: GenerativeEmbedder, *samples: SampleInput) -> Floats:
    """Return the first sample's states [layers, tokens, width]."""
    seen: list[Floats] = []
    embedder.run(embedder.prepare(samples), lambda _, states: seen.append(_array(states[0])))
    return np.stack(seen)


def _vectors(embedder: Embedder, samples: Sequence[SampleInput]) -> Floats:
    """Return every representation of samples [r, n, width]."""
    return embedder.embed(samples, embedder.representations(None), ()).vectors


def _array(values: torch.Tensor) -> Floats:
    array: Floats = values.float().cpu().numpy().copy()
    return array


def _direction(vectors: Floats) -> npt.NDArray[np.float64]:
    """Return vectors [..., width] at unit length.

    Raises:
        ModelError: one has none: it is zero, or not finite.
    """
    # In float64: squares of small numbers vanish in float32.
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=-1, keepdims=True)
    if not (lengths > 0).all() or not np.isfinite(lengths).all():
        raise ModelError("it gives a vector that points nowhere: it is zero, or not finite", "")
    directions: npt.NDArray[np.float64] = vectors / lengths
    return directions


def _within(difference: float, limit: float, embedder: Embedder, words: str) -> Measured:
    limit = limit if embedder.facts.dtype == "float32" else COARSE
    return Measured(difference <= limit, f"{difference:.1e} (limit {limit:.0e}): {words}")


def _plain(words: str) -> str:
    """Return words without what tokenizers may change: blanks, case, ways to write an accent."""
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", words).casefold())


def _size(embedder: Embedder) -> int | None:
    model = getattr(embedder, "_base", getattr(embedder, "_model", None))
    return None if model is None else sum(weight.numel() for weight in model.parameters())
