"""One adapter for every dual encoder: projected picture and text embeddings in one space."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from pipeline_core.errors import DataError, ModelError
from pipeline_core.models.adapter import SampleInput

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
            images = dict(self._each([s for s in samples if s.image is not None], self._embed_images))
            texts = dict(self._each([s for s in samples if s.text is not None], self._embed_texts))
        vectors = [_combine(images.get(s.sample_id), texts.get(s.sample_id)) for s in samples]
        for sample, vector in zip(samples, vectors, strict=True):
            if not bool(torch.isfinite(vector).all()):
                raise ModelError(
                    f"{self.name} gives values that are not finite for sample {sample.sample_id}",
                    "try model.dtype=float32",
                )
        return torch.stack(vectors).numpy()

    def _each(self, samples: list[SampleInput], embed: Any) -> Any:
        if not samples:
            return ()
        return zip((s.sample_id for s in samples), embed(samples), strict=True)

    def _embed_images(self, samples: list[SampleInput]) -> torch.Tensor:
        inputs = self._processor.image_processor(images=[s.image for s in samples], return_tensors="pt")
        return self._call(self._model.get_image_features, inputs)

    def _embed_texts(self, samples: list[SampleInput]) -> torch.Tensor:
        options: dict[str, Any] = {"padding": True}
        if self._length:
            options = {"padding": "max_length", "max_length": self._length, "return_attention_mask": False}
        inputs = self._processor.tokenizer(
            [s.text for s in samples], truncation=True, padding_side="right", return_tensors="pt", **options
        )
        return self._call(self._model.get_text_features, inputs)

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
