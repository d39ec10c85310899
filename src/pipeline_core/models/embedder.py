"""What embeds: vectors of samples, and the states of their tokens where a model has some, asked for in one way."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from pipeline_core.model_facts import ModelFacts
from pipeline_core.models.limits import LongText
from pipeline_core.models.representations import Representation
from pipeline_core.models.samples import Role, Roles, SampleInput

if TYPE_CHECKING:
    from pipeline_core.models.grids import ImageGrid
    from pipeline_core.models.hooks import AttentionVisitor
    from pipeline_core.models.tokens import TokenBatch, TokenizedSample


@dataclass(frozen=True)
class TokenStates:
    """The kept token states of one sample.

    Attributes:
        row: position of the sample among those embedded.
        positions: index of each token in its sequence [n].
        roles: role of each token [n], positions in ``ROLES``.
        states: float32 [n, width].
    """

    row: int
    positions: npt.NDArray[np.int32]
    roles: Roles
    states: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Embedded:
    """What a model made of n samples under r representations.

    Attributes:
        vectors: float32 [r, n, width].
        n_tokens: tokens pooled [r, n].
        tokens: token states of the samples that keep theirs.
        long: texts as long as the model takes, or longer: those were cut.
    """

    vectors: npt.NDArray[np.float32]
    n_tokens: npt.NDArray[np.int32]
    tokens: tuple[TokenStates, ...]
    long: tuple[LongText, ...] = ()


class Embedder(Protocol):
    """A loaded model, ready to embed."""

    @property
    def facts(self) -> ModelFacts:
        """What is known of the model."""

    def representations(self, layer: int | None) -> tuple[Representation, ...]:
        """Return every representation that the model can give.

        Args:
            layer: the layer that is analysed; None is the last. Models without token states have none to choose.

        Raises:
            ConfigError: the model has no such layer.
        """

    def embed(
        self, samples: Sequence[SampleInput], representations: Sequence[Representation], token_roles: Sequence[Role]
    ) -> Embedded:
        """Embed samples under some of the model's representations.

        Args:
            samples: what is embedded; n of them out are n of them in.
            representations: among those that ``representations`` returned.
            token_roles: roles of the tokens whose states at the analysis layer are kept, for samples that keep theirs.
                A model without token states keeps each sample's vector, which is what its SAE trains on.

        Raises:
            SampleError: a sample cannot be prepared; the others may do without it.
            ModelError: the model gives values that are not finite.
        """

    def remembering_pictures(self) -> AbstractContextManager[None]:
        """Return a context inside which each picture is looked at once, where samples give an ``image_key``."""


@runtime_checkable
class TokenEmbedder(Embedder, Protocol):
    """An embedder of which as many samples go through the model at a time as their tokens allow.

    Attributes:
        most_tokens: tokens of a forward pass, padding among them; a longer sample goes alone. None: all are one pass.
    """

    most_tokens: int | None


Preparer = Callable[[Sequence[SampleInput]], Any]
"""Makes of samples what a model takes, and raises what ``Embedder.embed`` would of a sample that cannot be prepared.

It can be pickled but for the processor, and so can what it returns, in which there are no pictures: processes hand it
on.
"""


@runtime_checkable
class PreparingEmbedder(Embedder, Protocol):
    """An embedder whose samples other processes can prepare, ahead of the model.

    Each of them loads a processor by ``Family.processor``.
    """

    @property
    def processor(self) -> Any:
        """What the preparer refers to and each process loads for itself."""

    @property
    def preparer(self) -> Preparer:
        """What makes of samples what ``embed_prepared`` takes."""

    def embed_prepared(
        self, prepared: Any, representations: Sequence[Representation], token_roles: Sequence[Role]
    ) -> Embedded:
        """Embed what the preparer made of samples, as ``embed`` does the samples.

        Raises:
            ModelError: a sample does not go through the model, or a value is not finite.
        """


@runtime_checkable
class AttendingEmbedder(Embedder, Protocol):
    """An embedder that can tell where it attends."""

    def prepare(self, samples: Sequence[SampleInput]) -> "TokenBatch":
        """Tokenise samples; errors as in ``embed``."""

    def attend(self, batch: "TokenBatch", visit: "AttentionVisitor") -> None:
        """Run the model and hand each layer's attention weights [batch, heads, tokens, tokens] to ``visit``.

        Raises:
            AttentionError: no layer returns its weights.
        """

    def image_grid(self, sample: "TokenizedSample") -> "ImageGrid | None":
        """Tell how a sample's image tokens lie over its picture; None without a picture or if it cannot be told."""
