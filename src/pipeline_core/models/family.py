"""A family of models: which it serves, how their parts are loaded, and what has to be known to embed with them.

A member of ``families`` is an object of one of these classes, or of a subclass that overrides what is otherwise in it.
"""

import hashlib
import logging
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pipeline_core.errors import ModelError
from pipeline_core.model_facts import Kind, OwnPooling, Place, Rendering
from pipeline_core.models import prompts
from pipeline_core.models.checkpoint import check_files
from pipeline_core.models.devices import loading_options, spread
from pipeline_core.models.hub import checkpoint_folder, fetch
from pipeline_core.models.representations import AttentionKind
from pipeline_core.models.samples import SampleInput
from pipeline_core.models.size import ModelSize, model_size
from pipeline_core.placement import DeviceMap

if TYPE_CHECKING:
    import torch
    from PIL import Image

    from pipeline_core.model_facts import ModelFacts
    from pipeline_core.models.embedder import Embedder
    from pipeline_core.models.settings import ModelSettings

log = logging.getLogger(__name__)

_PLAIN = "eager"  # every model has this attention
_UNATTENDED = "does not support an attention implementation"


@dataclass(frozen=True)
class Traits:
    """What all models of a family have in common; see ``ModelFacts``.

    ``lays_out``: prompts are laid out as its makers do, whatever ``model.rendering`` says.
    """

    kind: Kind
    has_tokens: bool
    prompts: bool
    pooling: OwnPooling = "mean"
    lays_out: bool = False


class Family(ABC):
    """What every family tells and does.

    Attributes:
        name: name of the family's file or entry point.
        model_types: the ``model_type`` of the configs that it serves.
        names: what those of its models are called that it serves, if it serves only some of these types.
        brings: models that come with it, found by name alone, each with a function that returns what keys know it by.
        needs: what its models want that not every model does: a package, an attention implementation, terms to accept.
        released: how large some of its models on the hub are, so that they can be planned for where they are not here.
        general: it serves models that no family names; it is asked whether it recognises one.
    """

    name: str
    model_types: frozenset[str] = frozenset()
    names: re.Pattern[str] | None = None
    brings: Mapping[str, Callable[[], str]] = MappingProxyType({})
    needs: Sequence[str] = ()
    released: Mapping[str, ModelSize] = MappingProxyType({})
    general: bool = False

    @property
    def about(self) -> str:
        """What is peculiar to its models, in one line: the first of its module."""
        return (sys.modules[type(self).__module__].__doc__ or "").partition("\n")[0]

    @abstractmethod
    def traits(self, model: str) -> Traits:
        """Return the traits of one of its models."""

    @abstractmethod
    def load(
        self, settings: "ModelSettings", facts: "ModelFacts", device: str, cache: Path, device_map: DeviceMap = None
    ) -> "Embedder":
        """Load one of its models; see ``loading.load_embedder``, which tells errors of transformers in one line.

        Raises:
            ModelError: it is not built as the family expects, or cannot run on the device.
        """

    def processor(self, settings: "ModelSettings", facts: "ModelFacts", cache: Path) -> Any:
        """Load what one of its models prepares samples with, without the model, for other processes than the model's.

        None: there is none, or it cannot be loaded alone. The arguments are those of ``load``.
        """
        return None

    def size(self, facts: "ModelFacts") -> ModelSize | None:
        """Return how large a model is; None where nothing here tells.

        Raises:
            ModelError: what tells cannot be read.
        """
        folder = checkpoint_folder(facts)
        return None if folder is None else model_size(facts, folder)

    def recognises(self, model_type: str, architectures: Sequence[str]) -> bool:
        """Say whether a general family serves a model of this type, saved from these classes."""
        return False


class TransformersFamily(Family):
    """Models that transformers loads, with a processor.

    Attributes:
        tried: a text is embedded alone and beside another as a model is loaded; one that differs gets eager attention.
    """

    tried: bool = False

    @abstractmethod
    def embedder(self, facts: "ModelFacts", model: Any, processor: Any) -> "Embedder":
        """Return the embedder of a loaded model with its processor.

        Raises:
            ModelError: the model is not built as the family expects.
        """

    @abstractmethod
    def load_model(self, facts: "ModelFacts", place: str, options: Mapping[str, Any]) -> Any:
        """Load a model with its weights; other errors are those of transformers.

        Raises:
            ModelError: weights that embedding needs are not there.
        """

    def load(
        self, settings: "ModelSettings", facts: "ModelFacts", device: str, cache: Path, device_map: DeviceMap = None
    ) -> "Embedder":
        """Load processor and model, and bring the model to the device, or its parts to theirs."""
        from transformers import AutoConfig  # noqa: PLC0415

        place = self._fetched(facts, cache)
        if Path(place).is_dir():
            check_files(facts.name, Path(place))
        common = _options(settings, facts)
        processor = self._processor(settings, facts, place)
        config = AutoConfig.from_pretrained(place, **common)
        offloaded = cache / "offloaded" / hashlib.sha256(f"{facts.identity} {facts.dtype}".encode()).hexdigest()[:16]
        if device_map is None and getattr(config, "quantization_config", None) is not None:
            device_map = {"": device}  # packed weights are not moved afterwards
        options = common | loading_options(device, device_map, offloaded)
        try:
            model = self._load_model(facts, place, options, config)
        except ValueError as error:
            if facts.attention == _PLAIN or _UNATTENDED not in str(error):
                raise
            log.warning("%s has no %s attention: it runs with %s", facts.name, facts.attention, _PLAIN)
            facts = replace(facts, attention=_PLAIN)
            model = self._load_model(facts, place, options, config)
        if facts.adapter is not None:
            from pipeline_core.models.adapter import merge_adapter  # noqa: PLC0415

            merge_adapter(model, facts.name, Path(fetch(facts.adapter)))
        if found := spread(model):
            log.warning("%s is spread over %s", facts.name, found)
        try:
            model = model if device_map else model.to(device)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise ModelError(
                f"{facts.name} cannot be brought to the device {device}: {reason}",
                "set model.dtype=bfloat16, or placement.device_map=auto to spread it",
            ) from None
        made = self.embedder(facts, model, processor)
        return self._try(made, model, processor) if self.tried else made

    def processor(self, settings: "ModelSettings", facts: "ModelFacts", cache: Path) -> Any:
        """Load the processor, as it is loaded with the model."""
        return self._processor(settings, facts, self._fetched(facts, cache))

    def _fetched(self, facts: "ModelFacts", cache: Path) -> str:
        return self.place(replace(facts, place=fetch(Place(facts.place, facts.revision))), cache)

    def _processor(self, settings: "ModelSettings", facts: "ModelFacts", place: str) -> Any:
        processor = self.load_processor(place, _options(settings, facts))
        if settings.max_pixels is not None:
            self.limit_pixels(facts.name, processor, settings.max_pixels)
        return processor

    def _try(self, made: "Embedder", model: Any, processor: Any) -> "Embedder":
        from pipeline_core.models.check import check_batches  # noqa: PLC0415

        facts = made.facts
        try:
            check_batches(made)
        except ModelError as error:
            if facts.attention == _PLAIN:
                raise
            log.warning("%s under %s attention: it runs with %s", error.problem, facts.attention, _PLAIN)
            model.set_attn_implementation(_text_attention(model.config, _PLAIN))
            made = self.embedder(replace(facts, attention=_PLAIN), model, processor)
            check_batches(made)
        return made

    def _load_model(self, facts: "ModelFacts", place: str, options: Mapping[str, Any], config: Any) -> Any:
        attention = _text_attention(config, facts.attention)
        return self.load_model(facts, place, {**options, "dtype": facts.dtype, "attn_implementation": attention})

    def place(self, facts: "ModelFacts", cache: Path) -> str:
        """Return what a model is loaded from: its folder; those of the hub are on this machine by then.

        It is asked before anything is loaded: here a family makes transformers know classes of its own, and puts models
        that it brings together below ``cache``.
        """
        return facts.place

    def load_processor(self, place: str, options: Mapping[str, Any]) -> Any:
        """Load the processor: pictures go through Pillow, so that torchvision is not needed."""
        from pipeline_core.models.processors import load_processor  # noqa: PLC0415

        return load_processor(place, options)

    def limit_pixels(self, model: str, processor: Any, max_pixels: int) -> None:
        """Set the number of pixels that a picture is brought down to.

        Raises:
            ModelError: the model's pictures have a fixed resolution.
        """
        size = processor.image_processor.size
        if "longest_edge" not in size or "shortest_edge" not in size:
            raise ModelError(f"{model} has a fixed resolution", "leave model.max_pixels out")
        # In models of variable resolution both "edges" count pixels.
        least = min(size["shortest_edge"], max_pixels)
        processor.image_processor.size = {"shortest_edge": least, "longest_edge": max_pixels}


class GenerativeFamily(TransformersFamily):
    """Models of transformers' AutoModelForImageTextToText: token states, under instructions.

    Attributes:
        grid_places: a picture's tokens have places in height and width, where the model knows such; else tokens are
            counted.
        released_unnormed: the paper's code takes the last layer's states before the final norm.
        released_blank: the paper's code shows a black picture with a text alone.
        templated: prompts are laid out by a chat template, which its models come with.
    """

    grid_places: bool = True
    released_unnormed: bool = False
    released_blank: bool = False
    templated: bool = True

    text_options: Mapping[str, Any] = MappingProxyType({"return_token_type_ids": True})
    """What the tokenizer of a text alone is asked for beside ids; what the model does not take is left out.

    Without token types, models that know them may attend otherwise where a batch is padded.
    """

    def traits(self, model: str) -> Traits:
        """Return those of generative models."""
        return Traits("generative", has_tokens=True, prompts=True)

    def embedder(self, facts: "ModelFacts", model: Any, processor: Any) -> "Embedder":
        """Return the embedder of generative models."""
        from pipeline_core.models.generative import GenerativeEmbedder  # noqa: PLC0415

        return GenerativeEmbedder(facts, self, model, processor)

    def load_model(self, facts: "ModelFacts", place: str, options: Mapping[str, Any]) -> Any:
        """Load it as a model that generates text from pictures."""
        from transformers import AutoModelForImageTextToText  # noqa: PLC0415

        from pipeline_core.models.weights import load_whole  # noqa: PLC0415

        return load_whole(AutoModelForImageTextToText, facts.name, place, options)

    def attention_kind(self, config: Any) -> AttentionKind:
        """Tell from a model's config what a token can see."""
        bidirectional = getattr(config.get_text_config(), "use_bidirectional_attention", None)
        if bidirectional == "vision":
            return "picture"
        return "bidirectional" if bidirectional else "causal"

    def picture_ids(self, config: Any, processor: Any) -> frozenset[int]:
        """Return the ids of the tokens that stand for parts of a picture.

        The model's config decides: a processor may call the marker that begins a picture its image token.
        """
        found = getattr(config, "image_token_id", None)
        return frozenset({processor.image_token_id if found is None else found})

    def instruction(self, sample: SampleInput) -> str:
        """Return the words that a sample is embedded under, of its own instruction or the family's."""
        return (sample.instruction or "").strip()

    def shown(self, image: "Image.Image") -> "Image.Image":
        """Return a picture as the processor is to be given it."""
        return image

    def render(self, processor: Any, sample: SampleInput, rendering: Rendering) -> str:
        """Return a sample's prompt, image placeholders not yet expanded.

        Raises:
            SampleError: it cannot be laid out.
        """
        return prompts.render(processor, sample, rendering)

    def system_turn(self, processor: Any) -> str:
        """Return what prompts begin with before the user's turn; '' where ``spans`` tells that, or there is nothing."""
        return prompts.system_turn(processor)

    def spans(self, rendered: str, sample: SampleInput) -> prompts.Spans:
        """Find text and instruction in a prompt.

        Raises:
            SampleError: the prompt does not repeat them.
        """
        return prompts.find_spans(rendered, sample)

    def split_features(self, output: Any, n_tokens: Sequence[int]) -> "Sequence[torch.Tensor] | None":
        """Return each picture's features [parts, tokens, width] of what the picture tower gave.

        They follow one another as the pictures' tokens do, whatever shape they come in. The first part enters the
        decoder; ``deepstack_features``, which some models add to later layers, follow it.

        Args:
            output: what ``get_image_features`` returned.
            n_tokens: tokens of each picture.

        Returns:
            One tensor a picture, or None if they are not told apart.
        """
        from pipeline_core.models.pictures import split_features  # noqa: PLC0415

        return split_features(output, n_tokens)

    def join_features(self, features: "Sequence[torch.Tensor]", listed: bool) -> dict[str, Any]:
        """Return the argument that gives a model the features of its pictures instead of their pixels.

        Args:
            features: of each picture, as ``split_features`` returned them.
            listed: the model's tower gives a list of pictures, not one tensor.
        """
        from pipeline_core.models.pictures import join_features  # noqa: PLC0415

        return {"mm_encoder_outputs": {"image": join_features(features, listed)}}


def _options(settings: "ModelSettings", facts: "ModelFacts") -> dict[str, Any]:
    """Return what decides how any part of a model is loaded."""
    return {"revision": facts.revision, "trust_remote_code": settings.trust_remote_code}


def _text_attention(found: Any, attention: str) -> str | dict[str, str]:
    """Set the attention of the language model or text tower only: a picture tower may have none to choose."""
    text = found.get_text_config()
    parts = [name for name in found.sub_configs if getattr(found, name, None) is text]
    return {parts[0]: attention} if parts else attention


class DualEncoderFamily(TransformersFamily):
    """Models with ``get_image_features`` and ``get_text_features``: one vector a sample, under no instruction.

    Attributes:
        text_length: tokens that every text is padded to, where the model pools the last position without a mask:
            shorter padding is silently wrong.
    """

    text_length: int | None = None

    def traits(self, model: str) -> Traits:
        """Return those of dual encoders."""
        return Traits("contrastive", has_tokens=False, prompts=False)

    def embedder(self, facts: "ModelFacts", model: Any, processor: Any) -> "Embedder":
        """Return the embedder of dual encoders."""
        from pipeline_core.models.contrastive import ContrastiveEmbedder  # noqa: PLC0415

        return ContrastiveEmbedder(facts, self, model, processor)

    def load_model(self, facts: "ModelFacts", place: str, options: Mapping[str, Any]) -> Any:
        """Load it without any head."""
        from transformers import AutoModel  # noqa: PLC0415

        from pipeline_core.models.weights import load_whole  # noqa: PLC0415

        return load_whole(AutoModel, facts.name, place, options)

    def text_options(self) -> dict[str, Any]:
        """Return how the tokenizer is to pad."""
        if self.text_length is None:
            return {"padding": True}
        return {"padding": "max_length", "max_length": self.text_length, "return_attention_mask": False}
