"""What embeds with every generative model: states, or attention weights, of all layers for all tokens, in one pass."""

import inspect
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from pipeline_core.errors import AttentionError, ConfigError, ModelError, SampleError
from pipeline_core.model_facts import ModelFacts
from pipeline_core.models.devices import brought, input_device
from pipeline_core.models.embedder import Embedded, TokenStates
from pipeline_core.models.family import GenerativeFamily
from pipeline_core.models.grids import ImageGrid, image_grid
from pipeline_core.models.hooks import AttentionVisitor, LayerVisitor, attending, find_decoder, running, visiting
from pipeline_core.models.limits import MOST_TOKENS, TokenLimits, model_limit, tokenizer_limit
from pipeline_core.models.pictures import PictureMemory
from pipeline_core.models.pooling import pool, token_mask
from pipeline_core.models.prefix import PLAIN_ARGUMENTS, keeps_plain_cache, shared_prefix
from pipeline_core.models.prompts import chat_template, marker_pattern
from pipeline_core.models.representations import MASKS, Representation, pooled_representations
from pipeline_core.models.samples import IMAGE, ROLES, SYSTEM, Role, SampleInput
from pipeline_core.models.tokens import (
    Inputs,
    Speech,
    TokenBatch,
    TokenizedSample,
    TokenPreparer,
    collate,
    passes,
    plain_sample,
    takes_texts,
)

log = logging.getLogger(__name__)

_NEVER_PASSED = frozenset({"labels"})  # they would make the model compute logits and a loss
_KINDS = "mm_token_type_ids"  # whether a token is of a text or a picture: it decides nothing but the token's place


class GenerativeEmbedder:
    """A model of transformers' AutoModelForImageTextToText with its processor.

    Attributes:
        facts: what was known of the model before it was loaded.
        n_layers: decoder layers L; states are numbered 0 (embeddings) to L (after the final norm).
        width: width of a state.
        attention_kind: what a token could see.
        untemplated: it has no chat template, which models of its family come with.
        most_tokens: as in ``TokenEmbedder``.
        processor, preparer: as in ``PreparingEmbedder``.
    """

    most_tokens: int | None = None

    def __init__(self, facts: ModelFacts, family: GenerativeFamily, model: Any, processor: Any) -> None:
        """Wrap a loaded model and its processor, which are used as the family says.

        Raises:
            ModelError: the decoder's layers or final norm cannot be found, or the tokenizer has no offsets.
        """
        if not processor.tokenizer.is_fast:
            raise ModelError(
                f"the tokenizer of {facts.name} cannot tell where a token comes from",
                "use a model with a fast tokenizer",
            )
        self.untemplated = family.templated and chat_template(processor) is None
        if self.untemplated:
            log.warning(
                "%s has no chat template: it is given words and pictures without a turn around them", facts.name
            )
        text_config = model.config.get_text_config()
        self.facts = facts
        self._family = family
        self.n_layers: int = text_config.num_hidden_layers
        self.width: int = text_config.hidden_size
        self.attention_kind = family.attention_kind(model.config)
        # The base model returns states and leaves out the logits over the vocabulary.
        self._base = model.base_model.eval().requires_grad_(False)
        self._device = input_device(self._base.get_input_embeddings())
        normed = not (facts.hidden_state == "released" and family.released_unnormed)
        self._decoder = replace(find_decoder(self._base, self.n_layers), normed=normed)
        self.processor = processor
        self._pad_id: int = processor.tokenizer.pad_token_id or 0
        self._accepted = frozenset(inspect.signature(self._base.forward).parameters) - _NEVER_PASSED
        most = model_limit(model)
        speech = Speech(
            family,
            processor,
            facts.rendering,
            family.picture_ids(model.config, processor),
            self._accepted,
            takes_texts(processor),
            marker_pattern(processor),
            TokenLimits(min(facts.max_tokens or MOST_TOKENS, tokenizer_limit(processor.tokenizer), most), most),
            family.system_turn(processor),
        )
        blank = facts.text_picture == "released" and family.released_blank
        self.preparer = TokenPreparer(facts.name, speech, blank)
        self._reuses_prefix = self.attention_kind == "causal" and keeps_plain_cache(text_config)
        self._plain = PLAIN_ARGUMENTS | ({_KINDS} if self._has_places else frozenset())
        self._pictures = PictureMemory()
        self._tells_features = "mm_encoder_outputs" in self._accepted
        self._lists_features = False

    def representations(self, layer: int | None) -> tuple[Representation, ...]:
        """Return every layer pooled over all tokens as the model is, and all poolings and masks of the analysis layer.

        Args:
            layer: the analysis layer; None is the last.

        Raises:
            ConfigError: the model has no such layer.
        """
        last = self.n_layers
        if layer is not None and layer > last:
            raise ConfigError(
                f"activations.layer is {layer}, which {self.facts.name} does not have",
                f"choose 0 to {last}, or null for the last",
            )
        analysed = last if layer is None else layer
        normed = self._decoder.normed
        return pooled_representations(
            self.facts.name, last, analysed, self.attention_kind, self.facts.pooling, normed=normed
        )

    def embed(
        self, samples: Sequence[SampleInput], representations: Sequence[Representation], token_roles: Sequence[Role]
    ) -> Embedded:
        """Embed samples; see ``Embedder``.

        Raises:
            SampleError: as in ``tokenize``, or what is made of a sample does not go through the model.
            ModelError: as there, or nothing goes through, or a value is not finite.
        """
        try:
            return self.embed_prepared(self.preparer.tokenized(samples), representations, token_roles)
        except ModelError as error:
            self._blame(samples, error)
            raise

    def embed_prepared(
        self,
        prepared: Sequence[TokenizedSample],
        representations: Sequence[Representation],
        token_roles: Sequence[Role],
    ) -> Embedded:
        """Embed what the preparer made of samples; see ``PreparingEmbedder``.

        Raises:
            ModelError: nothing, or a sample of them, goes through the model, or a value is not finite.
        """
        vectors = np.empty((len(representations), len(prepared), self.width), dtype=np.float32)
        n_tokens = np.empty((len(representations), len(prepared)), dtype=np.int32)
        tokens: list[TokenStates] = []
        for own in passes([len(one.roles) for one in prepared], self.most_tokens):
            batch = collate(prepared[own], self._pad_id)
            kept = self._pool(batch, representations, token_roles, vectors[:, own], n_tokens[:, own])
            tokens += [replace(states, row=own.start + states.row) for states in kept]
        self._check_finite([one.sample for one in prepared], representations, vectors)
        long = tuple(replace(of.long, row=row) for row, of in enumerate(prepared) if of.long is not None)
        return Embedded(vectors, n_tokens, tuple(tokens), long)

    def _pool(
        self,
        batch: TokenBatch,
        representations: Sequence[Representation],
        token_roles: Sequence[Role],
        vectors: npt.NDArray[np.float32],
        n_tokens: npt.NDArray[np.int32],
    ) -> list[TokenStates]:
        """Run the model; write vectors [r, n, width] and tokens pooled [r, n], and return the states that are kept."""
        of_layer: dict[int, list[tuple[int, Representation]]] = defaultdict(list)
        for row, rep in enumerate(representations):
            of_layer[rep.layer].append((row, rep))
        analysed = {rep.layer for rep in representations if rep.at_analysis_layer}
        length = max(len(roles) for roles in batch.roles)
        masks = {mask: token_mask(batch.roles, mask, length) for mask in MASKS}
        tokens: list[TokenStates] = []

        def visit(layer: int, states: torch.Tensor) -> None:
            for row, rep in of_layer[layer]:
                assert rep.pooling != "model", "token states are pooled here"
                vectors[row] = pool(states, masks[rep.mask], rep.pooling).cpu().numpy()
            if layer in analysed:
                tokens.extend(_kept_states(batch, states, token_roles))

        self.run(batch, visit)
        for row, rep in enumerate(representations):
            n_tokens[row] = masks[rep.mask].sum(1).numpy()
        return tokens

    def _blame(self, samples: Sequence[SampleInput], error: ModelError) -> None:
        """Refuse the first sample that fails by itself where a plain one of its kind passes.

        Processors make of some pictures what models do not take: of one of a pixel, fewer tokens than they split.
        """
        for sample in samples:
            if not self._passes(sample) and self._passes(plain_sample(sample)):
                raise SampleError(sample.sample_id, sample.prompt_id, f"is not taken: {error.problem}") from error

    def _passes(self, sample: SampleInput) -> bool:
        try:
            self.run(self.prepare([sample]), lambda layer, states: None)
        except ModelError:
            return False
        return True

    def remembering_pictures(self) -> AbstractContextManager[None]:
        """Return a context inside which each picture is looked at once, where samples give an ``image_key``."""
        return self._pictures.remembering()

    def prepare(self, samples: Sequence[SampleInput]) -> TokenBatch:
        """Tokenise samples, one by one, and pad them to one length.

        Raises:
            SampleError, ModelError: as in ``tokenize``.
        """
        return collate(self.preparer.tokenized(samples), self._pad_id)

    def shared_tokens(self, batch: TokenBatch) -> int:
        """Return how many tokens all prompts begin with alike and are run once; 0 where attention does not allow it."""
        return shared_prefix(batch, self._plain) if self._reuses_prefix else 0

    def run(self, batch: TokenBatch, visit: LayerVisitor) -> None:
        """Run the model and hand each layer's states [batch, tokens, width] to ``visit`` as they arise.

        What the prompts begin with alike (a system prompt is often half of all tokens) is run once, where the model's
        attention allows it.

        Raises:
            ModelError: the model did not pass through each layer once.
        """
        visited: list[int] = []
        prefix: list[torch.Tensor] = []

        def visit_whole(layer: int, states: torch.Tensor) -> None:
            visited.append(layer)
            if prefix:
                states = torch.cat([prefix[layer].expand(len(states), -1, -1), states], 1)
            # MPS has no float64, which pooling sums in.
            visit(layer, states.cpu() if states.device.type == "mps" else states)

        with running(self.facts.name), torch.inference_mode():
            tokens, vision = self._token_arguments(batch), self._vision_arguments(batch)
            tokens |= self._places(tokens, vision)
            if length := self.shared_tokens(batch):
                start = {name: value[..., :1, :length] for name, value in tokens.items()}
                with visiting(self._decoder, lambda _, states: prefix.append(states)):
                    cache = self._base(**start, use_cache=True, return_dict=True).past_key_values
                cache.batch_repeat_interleave(len(batch.samples))
                remainder = {name: value[..., length:] for name, value in tokens.items() if name != "attention_mask"}
                tokens |= remainder | {"past_key_values": cache}
            with visiting(self._decoder, visit_whole):
                self._base(**tokens, **vision, use_cache=bool(prefix), return_dict=True)
        if visited != list(range(self.n_layers + 1)):
            raise ModelError(f"{self.facts.name} does not pass through each of its layers once", "use another model")

    def attend(self, batch: TokenBatch, visit: AttentionVisitor) -> None:
        """Run the model and hand each layer's attention weights [batch, heads, tokens, tokens] to ``visit``.

        Every token is run, with no beginning shared, so that the weights are square. Layers without attention, such
        as those of state-space models, are left out.

        Raises:
            AttentionError: no layer returns its weights.
        """
        attended: list[int] = []

        def visit_weights(layer: int, weights: torch.Tensor) -> None:
            attended.append(layer)
            visit(layer, weights.cpu() if weights.device.type == "mps" else weights)

        with running(self.facts.name), torch.inference_mode(), attending(self._decoder, visit_weights):
            tokens, vision = self._token_arguments(batch), self._vision_arguments(batch)
            self._base(**tokens, **self._places(tokens, vision), **vision, use_cache=False, return_dict=True)
        if not attended:
            raise AttentionError(
                f"{self.facts.name} does not return its attention weights",
                "load it with attention=eager; if that does not help, use another model",
            )

    def image_grid(self, sample: TokenizedSample) -> ImageGrid | None:
        """Tell how a sample's image tokens lie over its picture; None without a picture or if it cannot be told."""
        if sample.sample.image is None:
            return None
        n_tokens = int((sample.roles == IMAGE).sum())
        with running(self.facts.name):
            return image_grid(self.processor, sample.vision, n_tokens, sample.sample.image.size)

    def _check_finite(
        self, samples: Sequence[SampleInput], representations: Sequence[Representation], vectors: np.ndarray
    ) -> None:
        # A mean over all tokens is finite only if each of them is, and every layer has one.
        finite = np.isfinite(vectors).all(axis=2)
        if finite.all():
            return
        row, column = np.argwhere(~finite)[0]
        raise ModelError(
            f"{self.facts.name} gives values that are not finite for sample {samples[column].sample_id} "
            f"in layer {representations[row].layer}",
            "float16 overflows in models trained in bfloat16: try model.dtype=float32 or bfloat16",
        )

    def _token_arguments(self, batch: TokenBatch) -> dict[str, Any]:
        return {name: self._brought(value) for name, value in batch.tokens.items()}

    @property
    def _has_places(self) -> bool:
        return hasattr(self._base, "get_rope_index")

    def _places(self, tokens: Inputs, vision: Inputs) -> Inputs:
        """Return where tokens lie in time and space, for models that have such positions and samples with pictures.

        Such models keep what they knew of the batch before, and would place this one by it.
        """
        if self._has_places:
            self._base.rope_deltas = None
        if not self._has_places or not vision:
            return {}
        if not self._family.grid_places:
            ids = tokens["input_ids"]
            return {"position_ids": torch.arange(ids.shape[1], device=ids.device).expand(3, *ids.shape)}
        accepted = inspect.signature(self._base.get_rope_index).parameters
        known = {name: value for name, value in (tokens | vision).items() if name in accepted}
        return {"position_ids": self._base.get_rope_index(**known)[0]}

    def _vision_arguments(self, batch: TokenBatch) -> dict[str, Any]:
        pictured = [sample for sample in batch.samples if sample.vision]
        if not pictured:
            return {}
        keys = [sample.sample.image_key for sample in pictured]
        with torch.inference_mode():
            features = self._pictures.features(keys, lambda new: self._features([pictured[n] for n in new]))
        if features is not None:
            others = self._stack(pictured, [name for name in pictured[0].vision if not name.startswith("pixel")])
            return others | self._family.join_features(features, self._lists_features)
        if len(_by_shape(pictured)) > 1:
            raise ModelError(
                f"{self.facts.name} takes no pictures of several sizes together", "set placement.batch_size to 1"
            )
        return self._stack(pictured, pictured[0].vision)

    def _features(self, pictured: Sequence[TokenizedSample]) -> Sequence[torch.Tensor] | None:
        """Return each picture's features, those of one shape together, or None if they are not told apart."""
        found: dict[int, torch.Tensor] = {}
        for rows in _by_shape(pictured) if self._tells_features else ():
            group = [pictured[row] for row in rows]
            accepted = inspect.signature(self._base.get_image_features).parameters
            output = self._base.get_image_features(
                **self._stack(group, [name for name in group[0].vision if name in accepted]), return_dict=True
            )
            split = self._family.split_features(output, [int((sample.roles == IMAGE).sum()) for sample in group])
            if split is None:
                self._tells_features = False  # so that the tower runs once a picture from now on
                break
            self._lists_features = isinstance(output.pooler_output, list | tuple)
            found |= dict(zip(rows, split, strict=True))
        return [found[row] for row in range(len(pictured))] if self._tells_features else None

    def _stack(self, pictured: Sequence[TokenizedSample], names: Iterable[str]) -> Inputs:
        return {name: self._brought(torch.cat([sample.vision[name] for sample in pictured])) for name in names}

    def _brought(self, value: torch.Tensor) -> torch.Tensor:
        return brought(value, self._device, self._base.dtype)


def _by_shape(pictured: Sequence[TokenizedSample]) -> list[list[int]]:
    """Return the positions of samples whose pictures can be stacked, group by group."""
    groups: dict[tuple[torch.Size, ...], list[int]] = defaultdict(list)
    for row, sample in enumerate(pictured):
        groups[tuple(value.shape[1:] for value in sample.vision.values())].append(row)
    return list(groups.values())


def _kept_states(batch: TokenBatch, states: torch.Tensor, token_roles: Sequence[Role]) -> list[TokenStates]:
    kept_roles = [ROLES.index(role) for role in token_roles] + [SYSTEM] * ("template" in token_roles)
    kept = []
    for row, of_sample in enumerate(batch.samples):
        if of_sample.sample.keeps_states:
            positions = np.flatnonzero(np.isin(of_sample.roles, kept_roles)).astype(np.int32)
            values = states[row, torch.from_numpy(positions)].float().cpu().numpy()
            kept.append(TokenStates(row, positions, of_sample.roles[positions], values))
    return kept
