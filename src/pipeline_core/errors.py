"""Errors that a user can mend: one line that says what is wrong, where, and what to do."""

import errno
import os
import re
from typing import Any

_LONGEST = 300  # characters of an error of some library

_NOT_SHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Characters that end a line, command a terminal, or cannot be written: names and texts of users may hold them."""


def reason_of(error: Exception) -> str:
    """Return in one line what some library raised: its words, and its kind where the words alone would say little."""
    words = " ".join(str(error).split())[:_LONGEST]
    speaks = words and isinstance(error, OSError | ValueError | RuntimeError | ImportError)
    return words if speaks else f"{type(error).__name__}: {words}".removesuffix(": ")


def see_to_files(error: BaseException) -> None:
    """See that a file which some library could not read is not one too many for this process: that is no damage.

    Raises:
        OSError: it is.
    """
    if "too many open files" in str(error).lower():
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE)) from None


class LensError(Exception):
    """A mistake in what the user gave, told in one line; the command line prints it and exits with 2."""

    def __init__(self, problem: str, remedy: str) -> None:
        """Join what is wrong (naming the input) and what would be accepted; what ends a line is told by its code."""
        problem, remedy = (_NOT_SHOWN.sub(_code_of, told) for told in (problem, remedy))
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}; {remedy}" if remedy else problem)

    def __reduce__(self) -> tuple[Any, ...]:
        """Say how it is made anew where another process raised it; of its arguments only the line is kept as such."""
        return _made_anew, (type(self), self.args, self.__dict__)


def _code_of(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _made_anew(kind: type[LensError], arguments: tuple[Any, ...], values: dict[str, Any]) -> LensError:
    error = kind.__new__(kind)
    error.args = arguments
    error.__dict__.update(values)
    return error


class ConfigError(LensError):
    """A setting is unknown, of the wrong type, or impossible together with another."""


class DataError(LensError):
    """The data set cannot be read as what it claims to be."""


class SampleError(DataError):
    """One sample cannot be prepared for a model: no fault of the model's, nor of the other samples."""

    def __init__(self, sample_id: str, prompt_id: str, reason: str, n_tokens: int | None = None) -> None:
        """Name the sample and the instruction; ``n_tokens``: what it would be, where it is too long."""
        self.key = sample_id, prompt_id
        self.reason = reason
        self.n_tokens = n_tokens
        super().__init__(f"sample {sample_id} {reason}", "correct or remove it")


class ModelError(LensError):
    """The model cannot be found, loaded or used for what was asked of it."""


class AttentionError(ModelError):
    """The model does not give its attention weights."""


class StoreError(LensError):
    """An artifact is missing, truncated or altered."""


class ContractError(LensError):
    """A table broke its data contract; nothing was published."""


class QueryError(LensError):
    """A question to the warehouse or the index cannot be answered."""


class ServiceError(LensError):
    """The local service cannot be started: a port or a pool is somebody else's, or a process of it ended."""
