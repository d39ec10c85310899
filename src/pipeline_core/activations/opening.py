"""Requests as samples: their pictures are read by one thread, ahead of the model, and decoded."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from pipeline_core.activations.plan import Request
from pipeline_core.activations.refusals import Refusal
from pipeline_core.dataset.images import ImageReader, PictureError, decode
from pipeline_core.errors import DataError, SampleError
from pipeline_core.models.samples import SampleInput

Opened = tuple[list[SampleInput], list[Refusal]]

T = TypeVar("T")
R = TypeVar("R")


def read_picture(reader: ImageReader, request: Request) -> bytes | None:
    """Return the file of a request's picture; None where it has no picture.

    Raises:
        DataError: the picture is gone: no fault of the sample's.
    """
    try:
        return None if request.image_ref is None else reader.read_bytes(request.image_ref)
    except DataError as error:
        raise DataError(f"sample {request.sample_id}: {error.problem}", error.remedy) from None


def decode_sample(request: Request, picture: bytes | None) -> SampleInput:
    """Return what a model is given.

    Args:
        request: a sample under an instruction.
        picture: what ``read_picture`` returned.

    Raises:
        SampleError: the picture cannot be decoded.
    """
    try:
        image = None if picture is None else decode(picture)
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


def open_sample(reader: ImageReader, request: Request) -> SampleInput:
    """Read the picture of a request and decode it; what is returned and raised is as above."""
    return decode_sample(request, read_picture(reader, request))


def decode_samples(requests: Sequence[Request], pictures: Sequence[bytes | None]) -> Opened:
    """Return what a model is given of requests, and the refusals of those whose picture cannot be decoded."""
    samples, refusals = [], []
    for request, picture in zip(requests, pictures, strict=True):
        try:
            samples.append(decode_sample(request, picture))
        except SampleError as error:
            refusals.append(Refusal(*error.key, "picture", error.reason))
    return samples, refusals


def open_samples(reader: ImageReader, requests: Sequence[Request]) -> Opened:
    """Read the pictures of requests and decode them.

    Raises:
        DataError: a picture is gone.
    """
    return decode_samples(requests, [read_picture(reader, request) for request in requests])


class ReadingThread:
    """The one thread that reads pictures: a reader keeps files open, and is not to be used by two."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        """Take a pool of one thread."""
        self._pool = pool

    def do(self, work: Callable[..., R], *given: object) -> R:
        """Have something done there, behind what it has begun, and wait for it."""
        return self._pool.submit(work, *given).result()

    def ahead(self, work: Callable[[T], R], items: Iterable[T], count: int) -> Generator[R]:
        """Have something done of each item, ``count`` further ones while the last that was yielded is worked at.

        Yields:
            What ``work`` returns, in the order of the items, and raises.
        """
        waiting: deque[Future[R]] = deque()
        for item in items:
            waiting.append(self._pool.submit(work, item))
            if len(waiting) > count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@contextmanager
def reading_thread() -> Iterator[ReadingThread]:
    """Give a thread; at the end it does no more of what it has not begun."""
    pool = ThreadPoolExecutor(1, "pictures")
    try:
        yield ReadingThread(pool)
    finally:
        pool.shutdown(cancel_futures=True)
