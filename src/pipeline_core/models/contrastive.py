"""What embeds with every dual encoder: projected picture and text embeddings in one space."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from pipeline_core.errors import ModelError, SampleError
from pipeline_core.model_facts import ModelFacts
from pipeline_core.models.devices import input_device
from pipeline_core.models.embedder import Embedded, TokenStates
from pipeline_core.models.family import DualEncoderFamily
from pipeline_core.models.hooks import running
from pipeline_core.models.limits import LongText, digest, model_limit, tokenizer_limit
from pipeline_core.models.pictures import PictureMemory, check_picture
from pipeline_core.models.prompts import marker_pattern, without_markers
from pipeline_core.models.representations import Representation, model_representation
from pipeline_core.models.samples import IMAGE, REFUSALS, TEXT, Role, SampleInput, unprepared

Vectors = npt.NDArray[np.float32]


class ContrastiveEmbedder:
    """A model with ``get_image_features`` and ``get_text_features`` (CLIP, SigLIP and their kin) with its processor.

    Attributes:
        facts: what was known of the model before it was loaded.
    """

    def __init__(self, facts: ModelFacts, family: DualEncoderFamily, model: Any, processor: Any) -> None:
        """Wrap a loaded model and its processor, which are used as the family says."""
        self.facts = facts
        self._model = model.eval().requires_grad_(False)
        self._device = input_device(model)
        self._processor = processor
        self._width = family.text_length or 0
        told = (facts.max_tokens, family.text_length, tokenizer_limit(processor.tokenizer), model_limit(model))
        self._most = min(most for most in told if most is not None)
        self._text_options = family.text_options() | {"max_length": self._most}
        self._markers = marker_pattern(processor)
        self._pictures = PictureMemory()

    def representations(self, layer: int | None) -> tuple[Representation, ...]:
        """Return the model's only representation; it has no layers to choose from."""
        return (model_representation(self.facts.name),)

    def embed(
        self, samples: Sequence[SampleInput], representations: Sequence[Representation], token_roles: Sequence[Role]
    ) -> Embedded:
        """Embed samples; see ``Embedder``.

        The SAE of a dual encoder trains on final embeddings: a sample's vector stands in for token states, one at
        position 0, with the role image for anything with a picture.

        Raises:
            SampleError: a sample has neither picture nor text, or its picture or text is refused.
            ModelError: the model gave a value that is not finite.
        """
        vectors, long = self._embedded(samples)
        tokens = tuple(
            TokenStates(
                row,
                np.zeros(1, dtype=np.int32),
                np.array([TEXT if sample.image is None else IMAGE], dtype=np.uint8),
                vector[None],
            )
            for row, (sample, vector) in enumerate(zip(samples, vectors, strict=True))
            if sample.keeps_states
        )
        return Embedded(vectors[None], np.ones((1, len(samples)), dtype=np.int32), tokens, long)

    def remembering_pictures(self) -> AbstractContextManager[None]:
        """Return a context inside which each picture is looked at once, where samples give an ``image_key``."""
        return self._pictures.remembering()

    def vectors(self, samples: Sequence[SampleInput]) -> Vectors:
        """Return the projected embeddings of samples; the instruction is not used, since dual encoders follow none.

        Returns:
            [samples, width]. A picture or a text keeps the length that the model gives it; a picture with a text is
            the normalised sum of their unit vectors.

        Raises:
            SampleError: a sample has neither picture nor text, or its picture or text is refused.
            ModelError: the model gave a value that is not finite.
        """
        return self._embedded(samples)[0]

    def _embedded(self, samples: Sequence[SampleInput]) -> tuple[Vectors, tuple[LongText, ...]]:
        for sample in samples:
            if sample.image is None and sample.text is None:
                raise SampleError(sample.sample_id, sample.prompt_id, "has neither picture nor text")
            check_picture(self._processor, sample)
        with running(self.facts.name), torch.inference_mode():
            images = self._image_vectors([s for s in samples if s.image is not None])
            texts, long = self._text_vectors(samples)
            vectors = torch.stack([_combine(images.get(s.sample_id), texts.get(s.sample_id)) for s in samples])
        for sample, vector in zip(samples, vectors, strict=True):
            if not bool(torch.isfinite(vector).all()):
                raise ModelError(
                    f"{self.facts.name} gives values that are not finite for sample {sample.sample_id}",
                    "try model.dtype=float32",
                )
        return vectors.numpy(), long

    def _image_vectors(self, samples: list[SampleInput]) -> dict[str, torch.Tensor]:
        def look(new: list[int]) -> list[torch.Tensor]:
            return list(self._call(self._model.get_image_features, self._prepared([samples[n] for n in new])))

        vectors = self._pictures.features([s.image_key for s in samples], look)
        assert vectors is not None, "look always answers"
        return {s.sample_id: vector for s, vector in zip(samples, vectors, strict=True)}

    def _prepared(self, samples: Sequence[SampleInput]) -> Any:
        try:
            return self._processor.image_processor(images=[s.image for s in samples], return_tensors="pt")
        except REFUSALS as error:
            if len(samples) == 1:
                raise unprepared(samples[0], error) from None
            for sample in samples:  # which of them it is
                self._prepared([sample])
            raise

    def _text_vectors(self, samples: Sequence[SampleInput]) -> tuple[dict[str, torch.Tensor], tuple[LongText, ...]]:
        rows = [row for row, sample in enumerate(samples) if sample.text is not None]
        if not rows:
            return {}, ()
        tokenizer = self._processor.tokenizer
        texts = [without_markers(self._markers, samples[row].text or "") for row in rows]
        lengths = self._lengths([samples[row] for row in rows], texts)
        inputs = tokenizer(texts, truncation=True, padding_side="right", return_tensors="pt", **self._text_options)
        ids = inputs["input_ids"]
        long = tuple(
            LongText(row, length, self._most, digest(kept[: self._most]))
            for row, length, kept in zip(rows, lengths, ids, strict=True)
            if length >= self._most
        )
        if ids.shape[1] < self._width:  # a lower limit cuts texts, and leaves their padding as the model wants it
            missing = (0, self._width - ids.shape[1])
            inputs["input_ids"] = functional.pad(ids, missing, value=tokenizer.pad_token_id)
        vectors = self._call(self._model.get_text_features, inputs)
        return {samples[row].sample_id: vector for row, vector in zip(rows, vectors, strict=True)}, long

    def _lengths(self, samples: Sequence[SampleInput], texts: Sequence[str]) -> list[int]:
        try:
            return [len(ids) for ids in self._processor.tokenizer(texts, verbose=False)["input_ids"]]
        except REFUSALS as error:
            if len(texts) == 1:
                raise unprepared(samples[0], error) from None
            for sample, text in zip(samples, texts, strict=True):  # which of them it is
                self._lengths([sample], [text])
            raise

    def _call(self, features: Any, inputs: Any) -> torch.Tensor:
        dtype = self._model.dtype
        arguments = {k: v.to(self._device, dtype if v.is_floating_point() else v.dtype) for k, v in inputs.items()}
        output = features(**arguments)
        vectors = output if isinstance(output, torch.Tensor) else output.pooler_output
        return vectors.float().cpu()


def _combine(image: torch.Tensor | None, text: torch.Tensor | None) -> torch.Tensor:
    if image is not None and text is not None:
        return functional.normalize(functional.normalize(image, dim=0) + functional.normalize(text, dim=0), dim=0)
    vector = image if image is not None else text
    assert vector is not None, "checked by the caller"
    return vector
