"""What embeds with every dual encoder: projected picture and text embeddings in one space."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from pipeline_core.errors import ModelError
from pipeline_core.model_facts import ModelFacts
from pipeline_core.models.devices import brought, input_device
from pipeline_core.models.dual_inputs import DualInputs, DualPreparer, Inputs, TextInputs
from pipeline_core.models.embedder import Embedded, TokenStates
from pipeline_core.models.family import DualEncoderFamily
from pipeline_core.models.hooks import running
from pipeline_core.models.limits import model_limit, tokenizer_limit
from pipeline_core.models.pictures import PictureMemory
from pipeline_core.models.representations import Representation, model_representation
from pipeline_core.models.samples import IMAGE, TEXT, Role, SampleInput

Vectors = npt.NDArray[np.float32]


class ContrastiveEmbedder:
    """A model with ``get_image_features`` and ``get_text_features`` (CLIP, SigLIP and their kin) with its processor.

    Attributes:
        facts: what was known of the model before it was loaded.
        processor, preparer: as in ``PreparingEmbedder``.
    """

    def __init__(self, facts: ModelFacts, family: DualEncoderFamily, model: Any, processor: Any) -> None:
        """Wrap a loaded model and its processor, which are used as the family says."""
        self.facts = facts
        self.processor = processor
        self._model = model.eval().requires_grad_(False)
        self._device = input_device(model)
        told = (facts.max_tokens, family.text_length, tokenizer_limit(processor.tokenizer), model_limit(model))
        most = min(most for most in told if most is not None)
        self.preparer = DualPreparer.of(facts.name, family, processor, most)
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
        self.preparer.check(samples)
        pictured = [row for row, sample in enumerate(samples) if sample.image is not None]

        def prepared(new: Sequence[int]) -> Inputs:
            return self.preparer.pictures([samples[pictured[n]] for n in new])

        with running(self.facts.name):
            return self._embedded(samples, pictured, prepared, self.preparer.texts(samples))

    def embed_prepared(
        self, prepared: DualInputs, representations: Sequence[Representation], token_roles: Sequence[Role]
    ) -> Embedded:
        """Embed what the preparer made of samples; see ``PreparingEmbedder``.

        Raises:
            ModelError: the model gave a value that is not finite.
        """

        def taken(new: Sequence[int]) -> Inputs:
            return {name: value[new] for name, value in prepared.pictures.items()}

        with running(self.facts.name):
            return self._embedded(prepared.samples, prepared.pictured, taken, prepared.texts)

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
        vectors: Vectors = self.embed(samples, (), ()).vectors[0]
        return vectors

    def _embedded(
        self,
        samples: Sequence[SampleInput],
        pictured: Sequence[int],
        pictures: Callable[[Sequence[int]], Inputs],
        texts: TextInputs,
    ) -> Embedded:
        """Run the towers.

        Args:
            samples: what is embedded.
            pictured: positions of the samples that have a picture.
            pictures: returns the picture tower's arguments for some of these, by their place in ``pictured``.
            texts: of the samples that have words.
        """

        def look(new: list[int]) -> list[torch.Tensor]:
            return list(self._call(self._model.get_image_features, pictures(new)))

        with torch.inference_mode():
            seen = self._pictures.features([samples[row].image_key for row in pictured], look)
            assert seen is not None, "look always answers"
            read = self._call(self._model.get_text_features, texts.arguments) if texts.rows else ()
            images, words = dict(zip(pictured, seen, strict=True)), dict(zip(texts.rows, read, strict=True))
            vectors = torch.stack([_combine(images.get(row), words.get(row)) for row in range(len(samples))]).numpy()
        for sample, vector in zip(samples, vectors, strict=True):
            if not np.isfinite(vector).all():
                raise ModelError(
                    f"{self.facts.name} gives values that are not finite for sample {sample.sample_id}",
                    "try model.dtype=float32",
                )
        tokens = tuple(
            TokenStates(
                row,
                np.zeros(1, dtype=np.int32),
                np.array([IMAGE if row in images else TEXT], dtype=np.uint8),
                vectors[[row]],
            )
            for row, sample in enumerate(samples)
            if sample.keeps_states
        )
        return Embedded(vectors[None], np.ones((1, len(samples)), dtype=np.int32), tokens, texts.long)

    def _call(self, features: Any, inputs: Inputs) -> torch.Tensor:
        output = features(**{k: brought(v, self._device, self._model.dtype) for k, v in inputs.items()})
        vectors = output if isinstance(output, torch.Tensor) else output.pooler_output
        return vectors.float().cpu()


def _combine(image: torch.Tensor | None, text: torch.Tensor | None) -> torch.Tensor:
    if image is not None and text is not None:
        return functional.normalize(functional.normalize(image, dim=0) + functional.normalize(text, dim=0), dim=0)
    vector = image if image is not None else text
    assert vector is not None, "checked by the caller"
    return vector
