"""How to add a model family: pictures as their mean colour, texts as the colours that they name.

A family says which models it serves: by the `model_type` of their config, or, as here, by names of models that it
brings. It loads them and returns an `Embedder`. This one gives one vector a sample; a family of transformers' models is
a `GenerativeFamily` or `DualEncoderFamily` (`models/family.py`), and mostly overrides no more than its picture tokens.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_core.models.family import Family, Traits

if TYPE_CHECKING:
    from pipeline_core.model_facts import ModelFacts
    from pipeline_core.models.embedder import Embedded, Embedder
    from pipeline_core.models.representations import Representation
    from pipeline_core.models.samples import Role, SampleInput
    from pipeline_core.models.settings import ModelSettings
    from pipeline_core.placement import DeviceMap

WIDTH = 16


class ColourEmbedder:
    """Embeds by colour."""

    def __init__(self, facts: "ModelFacts") -> None:
        """Keep what is known of the model."""
        self.facts = facts

    def representations(self, layer: int | None) -> "tuple[Representation, ...]":
        """Return the only one."""
        from pipeline_core.models.representations import model_representation

        return (model_representation(self.facts.name),)

    def embed(
        self,
        samples: "Sequence[SampleInput]",
        representations: "Sequence[Representation]",
        token_roles: "Sequence[Role]",
    ) -> "Embedded":
        """Return a vector a sample, and, of samples that keep their states, that vector for the SAE to train on."""
        import numpy as np

        from pipeline_core.models.embedder import Embedded, TokenStates
        from pipeline_core.models.samples import IMAGE, TEXT

        vectors = np.stack([_vector(sample) for sample in samples])
        tokens = tuple(
            TokenStates(
                row,
                np.zeros(1, dtype=np.int32),
                np.array([TEXT if sample.image is None else IMAGE], dtype=np.uint8),
                vectors[[row]],
            )
            for row, sample in enumerate(samples)
            if sample.keeps_states
        )
        return Embedded(vectors[None], np.ones((1, len(samples)), dtype=np.int32), tokens)

    @contextmanager
    def remembering_pictures(self) -> Iterator[None]:
        """Remember nothing: a mean is quick."""
        yield


def _vector(sample: "SampleInput") -> Any:
    """Return red, green and blue, spread over the width by fixed waves, and a little of each word."""
    import numpy as np
    from PIL import ImageColor

    seen = [np.asarray(sample.image, dtype=np.float64).mean(axis=(0, 1))] if sample.image else []
    words = (sample.text or "").split()
    seen += [np.array(ImageColor.getrgb(word), dtype=np.float64) for word in words if word in ImageColor.colormap]
    colour = np.mean(seen, axis=0) / 255 if seen else np.zeros(3)
    waves = np.cos(np.outer(np.arange(1, WIDTH + 1), np.arange(1, 4)))
    letters = sum(ord(letter) for word in words for letter in word)
    return (waves @ colour + 0.1 * np.sin(letters * np.arange(1, WIDTH + 1))).astype(np.float32)


class Colours(Family):
    """Brings one model, called mean-colour."""

    name = "colours"
    brings: Mapping[str, Any] = {"mean-colour": lambda: "mean-colour 1"}

    def traits(self, model: str) -> Traits:
        """Return that it gives vectors alone, and follows no instructions."""
        return Traits("contrastive", has_tokens=False, prompts=False)

    def load(
        self, settings: "ModelSettings", facts: "ModelFacts", device: str, cache: Path, device_map: "DeviceMap" = None
    ) -> "Embedder":
        """Return the embedder; there are no weights."""
        return ColourEmbedder(facts)


MEMBER = Colours()
