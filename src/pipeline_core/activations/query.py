"""A new text as a query: embedded under the representation that was analysed, exactly as the stored samples were."""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_core.activations.embed import contrastive_embedding, generative_embedding
from pipeline_core.activations.plan import DatasetTables, Item, default_prompts
from pipeline_core.activations.representations import Representation, analysis_layer, contrastive_rep_id
from pipeline_core.activations.vectors import Matrix
from pipeline_core.config import ExtractionConfig, RepresentationConfig
from pipeline_core.errors import QueryError
from pipeline_core.models.adapter import SampleInput
from pipeline_core.models.contrastive import ContrastiveAdapter

if TYPE_CHECKING:
    from pipeline_core.models.registry import ModelAdapter

_SAMPLE = "query"


def embed_text(
    adapter: "ModelAdapter",
    text: str,
    dataset: Path,
    extraction: ExtractionConfig,
    representation: RepresentationConfig,
) -> Matrix:
    """Return the raw embedding [d] of a text, under the instruction that the data set gives single texts.

    Args:
        adapter: the model.
        text: what is looked for.
        dataset: folder of the dataset artifact, whose instruction is used.
        extraction: decides the layer.
        representation: decides pooling and mask.

    Raises:
        QueryError: the text is empty.
    """
    if not text.strip():
        raise QueryError("the text to search for is empty", 'give some words, e.g. lens search "a red heart"')
    tables = DatasetTables.read(dataset)
    prompt = default_prompts(tables.tasks)["text"]
    instruction = dict(tables.prompts.select("prompt_id", "text").iter_rows())[prompt]
    if isinstance(adapter, ContrastiveAdapter):
        embed = contrastive_embedding(adapter, contrastive_rep_id(adapter.name))
    else:
        layer = analysis_layer(extraction, adapter.name, adapter.n_layers)
        wanted = Representation(_SAMPLE, layer, representation.pooling, representation.mask)
        embed = generative_embedding(adapter, [wanted], layer, ())
    item = Item(_SAMPLE, prompt, "text", text, instruction, None, None, split="test")
    rows = embed([item], [SampleInput(_SAMPLE, prompt, text=text, instruction=instruction)])
    vector: Matrix = rows.vectors[0, 0]
    return vector
