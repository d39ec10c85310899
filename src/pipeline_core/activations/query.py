"""A new text, picture, or both as a query: embedded under the representation analysed, as the stored samples were."""

import logging
from dataclasses import dataclass
from pathlib import Path

from pipeline_core.activations.plan import DatasetTables, default_prompts
from pipeline_core.activations.settings import ActivationsSettings, RepresentationSettings
from pipeline_core.activations.vectors import Matrix
from pipeline_core.dataset.images import PictureError, decode
from pipeline_core.dataset.places import read_regular
from pipeline_core.dataset.prompts import PLAIN, PROMPTS
from pipeline_core.errors import QueryError
from pipeline_core.models.embedder import Embedder
from pipeline_core.models.representations import chosen_representation
from pipeline_core.models.samples import SampleInput

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Question:
    """What is looked for: words, a picture, or a picture with words.

    Attributes:
        text: the words, or None.
        picture: an image file, or None.

    Raises:
        QueryError: there are neither words nor a picture.
    """

    text: str | None = None
    picture: Path | None = None

    def __post_init__(self) -> None:
        """Refuse an empty question before a model is loaded for it."""
        if not self.modality:
            raise QueryError("there is nothing to search for", 'give words, e.g. lens search "a red heart", or --image')

    @property
    def modality(self) -> str:
        """What the data set calls samples of its kind."""
        parts = (("image", self.picture), ("text", (self.text or "").strip()))
        return "_".join(part for part, given in parts if given)


def embed_question(
    embedder: Embedder,
    question: Question,
    tables: DatasetTables,
    settings: ActivationsSettings,
    representation: RepresentationSettings,
) -> tuple[Matrix, str]:
    """Return the raw embedding [d] of a question, and the id of the instruction that it was embedded under.

    It is the instruction that the data set gives single samples of the question's modality; where it has none, the one
    that what a sample is by itself has.

    Args:
        embedder: the model.
        question: what is looked for.
        tables: the data set.
        settings: decide the layer.
        representation: decides pooling and mask.

    Raises:
        QueryError: its picture cannot be read.
    """
    prompt = default_prompts(tables.tasks).get(question.modality, PLAIN[question.modality])
    instruction = (PROMPTS | dict(tables.prompts.select("prompt_id", "text").iter_rows()))[prompt]
    image = None
    if question.picture is not None:
        try:
            image = decode(read_regular(question.picture))
        except (PictureError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise QueryError(f"{question.picture} cannot be read: {reason}", "name a picture file") from None
    sample = SampleInput("query", prompt, image, question.text or None, instruction)
    chosen = representation.of_model(embedder.facts)
    wanted = chosen_representation(embedder.representations(settings.layer), chosen.pooling, chosen.mask)
    embedded = embedder.embed([sample], [wanted], ())
    for text in embedded.long:
        if text.n_tokens > text.n_kept:
            log.warning("%s takes %d of the %d tokens", embedder.facts.name, text.n_kept, text.n_tokens)
    return embedded.vectors[0, 0], prompt
