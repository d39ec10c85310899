"""Requests to what a model makes of them: batches halved where memory runs out, samples left out that it refuses."""

from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Literal

from pipeline_core.activations.plan import Request
from pipeline_core.activations.refusals import Refusal
from pipeline_core.dataset.images import ImageReader, PictureError, decode
from pipeline_core.errors import DataError, SampleError
from pipeline_core.models.devices import is_memory_full
from pipeline_core.models.embedder import AttendingEmbedder, Embedded, Embedder
from pipeline_core.models.representations import Representation
from pipeline_core.models.samples import Role, SampleInput

Opened = tuple[list[SampleInput], list[Refusal]]


def sample_input(reader: ImageReader, request: Request) -> SampleInput:
    """Return what a model is given, the picture opened.

    Raises:
        DataError: the picture is gone: no fault of the sample's.
        SampleError: it is there, and cannot be decoded.
    """
    try:
        image = None if request.image_ref is None else decode(reader.read_bytes(request.image_ref))
    except DataError as error:
        raise DataError(f"sample {request.sample_id}: {error.problem}", error.remedy) from None
    except PictureError as error:
        reason = f"has a picture that cannot be decoded ({request.image_ref}): {error}"
        raise SampleError(request.sample_id, request.prompt_id, reason) from None
    return SampleInput(
        request.sample_id,
        request.prompt_id,
        image,
        request.text,
        request.instruction,
        request.image_key,
        keeps_states=request.keeps_states,
    )


def open_samples(reader: ImageReader, requests: Sequence[Request]) -> Opened:
    """Return what a model is given of requests, and the refusals of those whose picture cannot be decoded.

    Raises:
        DataError: a picture is gone.
    """
    samples, refusals = [], []
    for request in requests:
        try:
            samples.append(sample_input(reader, request))
        except SampleError as error:
            refusals.append(Refusal(*error.key, "picture", error.reason))
    return samples, refusals


def opened_ahead(reader: ImageReader, batches: Iterable[Sequence[Request]]) -> Generator[Opened]:
    """Open batches one ahead: the pictures of the next are decoded while the model looks at these.

    Yields:
        What ``open_samples`` returns of a batch, and raises.
    """
    with ThreadPoolExecutor(1, "pictures") as ahead:
        following: Future[Opened] | None = None
        for batch in batches:
            this, following = following, ahead.submit(open_samples, reader, batch)
            if this is not None:
                yield this.result()
        if following is not None:
            yield following.result()


def embed_samples(
    embedder: Embedder,
    samples: Sequence[SampleInput],
    representations: Sequence[Representation],
    token_roles: Sequence[Role],
    refusals: list[Refusal],
) -> list[Embedded]:
    """Embed a batch; when memory runs out, embed its halves; when the model refuses a sample, embed the others.

    Args:
        embedder: the model.
        samples: the batch.
        representations: among those of the model.
        token_roles: tokens whose states are kept.
        refusals: samples that cannot be prepared, or do not fit the memory alone, are added.

    Returns:
        What was made of the samples that are not refused, in their order.

    Raises:
        ModelError: the model gives values that are not finite.
    """
    if not samples:
        return []
    refused: SampleError | None = None
    try:
        return [embedder.embed(samples, representations, token_roles)]
    except SampleError as error:
        refused = error.with_traceback(None)
    except (RuntimeError, MemoryError, OSError) as error:
        if not is_memory_full(error):
            raise
    # Outside of the handlers: a traceback keeps what the pass had allocated.
    if refused is not None:
        (sample,) = (sample for sample in samples if (sample.sample_id, sample.prompt_id) == refused.key)
        refusals.append(_refusal(sample, "input", refused.reason, refused.n_tokens))
        parts: list[Sequence[SampleInput]] = [[other for other in samples if other is not sample]]
    elif len(samples) == 1:
        reason = "alone does not fit the device's memory: lower model.max_pixels or max_tokens, or use another dtype"
        refusals.append(_refusal(samples[0], "memory", reason, _n_tokens(embedder, samples[0])))
        return []
    else:
        half = len(samples) // 2
        parts = [samples[:half], samples[half:]]
    return [
        embedded for part in parts for embedded in embed_samples(embedder, part, representations, token_roles, refusals)
    ]


def _refusal(sample: SampleInput, fault: Literal["input", "memory"], reason: str, n_tokens: int | None) -> Refusal:
    width, height = (None, None) if sample.image is None else sample.image.size
    return Refusal(sample.sample_id, sample.prompt_id, fault, reason, width, height, n_tokens)


def _n_tokens(embedder: Embedder, sample: SampleInput) -> int | None:
    """Return how long a sample is that does not fit the memory, if even that can be told."""
    with suppress(RuntimeError, MemoryError):
        if isinstance(embedder, AttendingEmbedder):
            return len(embedder.prepare([sample]).roles[0])
    return None
