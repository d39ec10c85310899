"""Requests to what a model makes of them: pictures opened, batches halved where memory runs out."""

from collections.abc import Sequence

import torch

from pipeline_core.activations.plan import Request
from pipeline_core.dataset.images import ImageReader
from pipeline_core.errors import DataError, ModelError
from pipeline_core.models.embedder import Embedded, Embedder
from pipeline_core.models.representations import Representation
from pipeline_core.models.samples import Role, SampleInput

_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")
"""What torch says when the memory of a processor, or of a device without an error of its own, runs out."""


def sample_input(reader: ImageReader, request: Request) -> SampleInput:
    """Return what a model is given, the picture opened; states are kept of samples of the train split.

    Raises:
        DataError: the picture cannot be read.
    """
    try:
        image = None if request.image_ref is None else reader.open(request.image_ref)
    except DataError as error:
        raise DataError(f"sample {request.sample_id}: {error.problem}", error.remedy) from None
    return SampleInput(
        request.sample_id,
        request.prompt_id,
        image,
        request.text,
        request.instruction,
        request.image_key,
        keeps_states=request.split == "train",
    )


def embed_halving(
    embedder: Embedder,
    samples: Sequence[SampleInput],
    representations: Sequence[Representation],
    token_roles: Sequence[Role],
) -> list[Embedded]:
    """Embed a batch; when memory runs out, embed its halves. What comes is in the order of the samples.

    Raises:
        ModelError: not even one sample fits.
    """
    try:
        return [embedder.embed(samples, representations, token_roles)]
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and not any(words in str(error) for words in _NO_MEMORY):
            raise
        if len(samples) == 1:
            raise ModelError(
                f"sample {samples[0].sample_id} alone does not fit the device's memory",
                "lower model.max_pixels, or use model.dtype=bfloat16 or another device",
            ) from None
    half = len(samples) // 2
    return [
        embedded
        for part in (samples[:half], samples[half:])
        for embedded in embed_halving(embedder, part, representations, token_roles)
    ]
