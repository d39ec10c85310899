"""One adapter for every dual encoder: projected picture and text embeddings in one space."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from pipeline_core.errors import DataError, ModelError
from pipeline_core.models.adapter import SampleInput
from pipeline_core.models.pictures import PictureMemory

Vectors = npt.NDArray[np.float32]

_PADDED_LENGTHS = {"siglip": 64, "siglip2": 64}
"""Models trained without an attention mask, whose last position is pooled: shorter padding is silently wrong."""


class ContrastiveAdapter:
    """A model with ``get_image_features`` and ``get_text_features`` (CLIP, SigLIP and their kin) with its processor.

    Attributes:
        name: the model, as in the config.
    """

    def __init__(self, name: str, model: Any, processor: Any) -> None:
        """Wrap a loaded model and its processor."""
        self.name = name
        self._model = model.eval().requires_grad_(False)
        self._processor = processor
        self._length = _PADDED_LENGTHS.get(model.config.model_type)
        self._pictures = PictureMemory()

    def remembering_pictures(self) -> AbstractContextManager[None]:
        """Return a context inside which each picture is looked at once, where samples give an ``image_key``."""
        return self._pictures.remembering()

    def embed(self, samples: Sequence[SampleInput]) -> Vectors:
        """Embed samples; the instruction is not used, since dual encoders follow none.

        Returns:
            [samples, width]. A picture or a text keeps the length that the model gives it; a picture with a text is
            the normalised sum of their unit vectors.

        Raises:
            DataError: a sample has neither picture nor text.
            ModelError: the model gave a value that is not finite.
        """
        for sample in samples:
            if sample.image is None and sample.text is None:
                raise DataError(f"sample {sample.sample_id} has neither picture nor text", "correct or remove it")
        with torch.inference_mode():
            images = self._image_vectors([s for s in samples if s.image is not None])
            texts = self._text_vectors([s for s in samples if s.text is not None])
        vectors = [_combine(images.get(s.sample_id), texts.get(s.sample_id)) for s in samples]
        for sample, vector in zip(samples, vectors, strict=True):
            if not bool(torch.isfinite(vector).all()):
                raise ModelError(
                    f"{self.name} gives values that are not finite for sample {sample.sample_id}",
                    "try model.dtype=float32",
                )
        return torch.stack(vectors).numpy()

    def _image_vectors(self, samples: list[SampleInput]) -> dict[str, torch.Tensor]:
        def look(new: list[int]) -> list[torch.Tensor]:
            images = [samples[n].image for n in new]
            inputs = self._processor.image_processor(images=images, return_tensors="pt")
            return list(self._call(self._model.get_image_features, inputs))

        vectors = self._pictures.features([s.image_key for s in samples], look)
        assert vectors is not None, "look always answers"
        return {s.sample_id: vector for s, vector in zip(samples, vectors, strict=True)}

    def _text_vectors(self, samples: list[SampleInput]) -> dict[str, torch.Tensor]:
        if not samples:
            return {}
        options: dict[str, Any] = {"padding": True}
        if self._length:
            options = {"padding": "max_length", "max_length": self._length, "return_attention_mask": False}
        inputs = self._processor.tokenizer(
            [s.text for s in samples], truncation=True, padding_side="right", return_tensors="pt", **options
        )
        vectors = self._call(self._model.get_text_features, inputs)
        return {s.sample_id: vector for s, vector in zip(samples, vectors, strict=True)}

    def _call(self, features: Any, inputs: Any) -> torch.Tensor:
        device, dtype = self._model.device, self._model.dtype
        arguments = {k: v.to(device, dtype if v.is_floating_point() else v.dtype) for k, v in inputs.items()}
        output = features(**arguments)
        vectors = output if isinstance(output, torch.Tensor) else output.pooler_output
        return vectors.float().cpu()


def _combine(image: torch.Tensor | None, text: torch.Tensor | None) -> torch.Tensor:
    if image is not None and text is not None:
        return functional.normalize(functional.normalize(image, dim=0) + functional.normalize(text, dim=0), dim=0)
    vector = image if image is not None else text
    assert vector is not None, "checked by the caller"
    return vector
