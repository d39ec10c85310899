"""A new text as a query: embedded under the representation that was analysed, exactly as the stored samples were."""

from pathlib import Path

from pipeline_core.activations.plan import DatasetTables, default_prompts
from pipeline_core.activations.settings import ActivationsSettings, RepresentationSettings
from pipeline_core.activations.vectors import Matrix
from pipeline_core.errors import QueryError
from pipeline_core.models.embedder import Embedder
from pipeline_core.models.representations import chosen_representation
from pipeline_core.models.samples import SampleInput


def embed_text(
    embedder: Embedder, text: str, dataset: Path, settings: ActivationsSettings, representation: RepresentationSettings
) -> Matrix:
    """Return the raw embedding [d] of a text, under the instruction that the data set gives single texts.

    Args:
        embedder: the model.
        text: what is looked for.
        dataset: folder of the dataset artifact, whose instruction is used.
        settings: decide the layer.
        representation: decides pooling and mask.

    Raises:
        QueryError: the text is empty.
    """
    if not text.strip():
        raise QueryError("the text to search for is empty", 'give some words, e.g. lens search "a red heart"')
    tables = DatasetTables.read(dataset)
    prompt = default_prompts(tables.tasks)["text"]
    instruction = dict(tables.prompts.select("prompt_id", "text").iter_rows())[prompt]
    sample = SampleInput("query", prompt, text=text, instruction=instruction)
    wanted = chosen_representation(
        embedder.representations(settings.layer), representation.pooling, representation.mask
    )
    vector: Matrix = embedder.embed([sample], [wanted], ()).vectors[0, 0]
    return vector
