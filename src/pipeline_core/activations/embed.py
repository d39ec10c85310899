"""Requests to what a model makes of them: batches halved where memory runs out, samples left out that it refuses."""

from collections.abc import Generator, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Literal

from pipeline_core.activations.opening import open_samples, reading_thread
from pipeline_core.activations.plan import Request
from pipeline_core.activations.refusals import Refusal
from pipeline_core.dataset.images import ImageReader
from pipeline_core.errors import ModelError, SampleError
from pipeline_core.models.devices import is_memory_full
from pipeline_core.models.embedder import AttendingEmbedder, Embedded, Embedder, PreparingEmbedder
from pipeline_core.models.representations import Representation
from pipeline_core.models.samples import Role, SampleInput

if TYPE_CHECKING:
    from pipeline_core.activations.processes import InputProcesses, Prepared


def embed_batches(
    embedder: Embedder,
    reader: ImageReader,
    batches: Sequence[Sequence[Request]],
    representations: Sequence[Representation],
    token_roles: Sequence[Role],
    refusals: list[Refusal],
    processes: "InputProcesses | None" = None,
) -> Generator[list[Embedded]]:
    """Embed batches in their order, while the next are made ready.

    Args:
        embedder: the model.
        reader: opens the pictures.
        batches: requests that are embedded together.
        representations: among those of the model.
        token_roles: tokens whose states are kept.
        refusals: samples that are left out are added.
        processes: they prepare a batch each, and one further waits; None: a thread decodes the pictures of one.

    Yields:
        What was made of a batch.

    Raises:
        DataError: a picture is gone.
        ModelError: the model gives values that are not finite.
    """
    with reading_thread() as thread:
        if processes is None or processes.ended:
            for samples, undecodable in thread.ahead(partial(open_samples, reader), batches, 1):
                refusals += undecodable
                yield embed_samples(embedder, samples, representations, token_roles, refusals)
            return
        assert isinstance(embedder, PreparingEmbedder), "they are started for such alone"
        begun = thread.ahead(partial(processes.begin, reader), batches, processes.count + 1)
        for batch, one in zip(batches, begun, strict=True):
            embedded = _embed_prepared(embedder, processes.end(one), representations, token_roles, refusals)
            if embedded is None:
                samples, undecodable = thread.do(open_samples, reader, batch)
                refusals += undecodable
                embedded = embed_samples(embedder, samples, representations, token_roles, refusals)
            yield embedded


def _embed_prepared(
    embedder: PreparingEmbedder,
    prepared: "Prepared | None",
    representations: Sequence[Representation],
    token_roles: Sequence[Role],
    refusals: list[Refusal],
) -> list[Embedded] | None:
    """Embed a batch as a whole; None where it has to be done sample by sample, or by halves."""
    if prepared is None:
        return None
    embedded = []
    if prepared.inputs is not None:
        try:
            embedded.append(embedder.embed_prepared(prepared.inputs, representations, token_roles))
        except (ModelError, SampleError):
            return None
        except (RuntimeError, MemoryError, OSError) as error:
            if not is_memory_full(error):
                raise
            return None
    refusals += prepared.refusals
    return embedded


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
