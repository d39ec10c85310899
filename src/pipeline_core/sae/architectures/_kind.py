"""What an architecture of sparse autoencoders is: how one is read, and where it is trained, its settings and start."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from pipeline_core.dataset.sources import AnyDataset
from pipeline_core.models.samples import Role
from pipeline_core.settings import Count, Section

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from pipeline_core.sae.gradients import Gradients
    from pipeline_core.sae.sparse import SparseCodes

States = Literal["tokens", "vectors"]
Shapes = Mapping[str, tuple[Literal["S", "D"], ...]]
NAME_PATTERN = r"^\w[\w.+-]*$"


class SaeSettings(Section):
    """An autoencoder that is trained here; an architecture adds what else it needs."""

    # What is made of these data are inputs, whose fingerprints are in the key.
    unkeyed: ClassVar[frozenset[str]] = frozenset({"trained_on"})

    # Fields that an architecture adds pass forms and servers, which know this schema only; validation refuses others.
    model_config = ConfigDict(json_schema_extra={"additionalProperties": True})

    name: str = Field(pattern=NAME_PATTERN, description="Second half of the sae_id, <model>/<name>.")
    architecture: str = Field("topk", description="Registered architecture.")
    centred: bool = Field(
        False, description="Centre inputs and learn a decoder bias; the paper's recipe does neither: false."
    )
    states: States = Field(
        "tokens", description="Models it is for: those with token states, or those that give one vector a sample."
    )
    trained_on: AnyDataset | None = Field(
        None, description="A section as dataset: data to train on in place of those analysed; their train split."
    )
    leave_out: tuple[Role, ...] = Field((), description="Roles of tokens that it is not trained on, e.g. system.")
    features: Count = Field(4096, description="Width of the dictionary.")
    epochs: Count = Field(5, description="Passes over the states.")
    batch_size: Count = Field(4096, description="States a step.")
    learning_rate: float = Field(8e-4, gt=0.0, description="Adam's learning rate.")
    penalty: float = Field(0.01, ge=0.0, description="Weight of mean |z| in the loss.")
    gradient_clip: float = Field(1.0, gt=0.0, description="Largest norm of the gradient.")
    seed: int = Field(0, ge=0, description="Seed of the weights and of the order of states.")

    @property
    def own_data(self) -> Section | None:
        """The data to train on in place of those analysed."""
        return self.trained_on


class Sae(ABC):
    """An autoencoder of S features over vectors of width D, trained or while it learns; its tensors are float32.

    Attributes:
        architecture: name of its architecture.
        dictionary: D [S, D], one row a feature.
    """

    architecture: ClassVar[str]
    dictionary: Tensor

    @abstractmethod
    def encode(self, vectors_nd: Tensor) -> SparseCodes:
        """Return the codes of raw vectors [n, D], float32, as they are stored (unnormalised)."""

    @abstractmethod
    def decode(self, codes: SparseCodes) -> Tensor:
        """Return the reconstructions h_hat [n, D]."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return its part of SAELens's cfg.json, JSON values."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Return its tensors by SAELens's names, in SAELens's shapes; W_dec is the dictionary."""

    def squared_error(self, vectors_nd: Tensor) -> tuple[SparseCodes, Tensor]:
        """Return the codes of vectors and the squared error of what is rebuilt of them, a scalar, while learning.

        The error is the sum over all n D entries; both are differentiable in what learns.
        """
        from torch.nn.functional import mse_loss

        codes = self.encode(vectors_nd)
        return codes, mse_loss(self.decode(codes), vectors_nd, reduction="sum")

    def gradients(self, vectors_nd: Tensor, penalty: float) -> Gradients | None:
        """Return what a step on a CPU needs, where the architecture has a quicker way to it than torch's.

        The loss is the squared error / (n D) + ``penalty`` * mean of all n S codes. Gradients in rows are among what is
        returned and are changed before the step as ``before_step`` and ``after_step`` do it; those in other tensors
        are put where torch would put them. None: torch differentiates ``squared_error``.
        """
        return None

    def before_step(self) -> None:  # noqa: B027 - most have nothing to do
        """Change the gradients before they are clipped and the optimiser takes its step."""

    def after_step(self) -> None:  # noqa: B027 - most have nothing to do
        """Restore, after a step, what must hold of the tensors."""

    def state(self) -> dict[str, Tensor]:
        """Return the tensors among its attributes, in their order: those that require a gradient learn."""
        import torch

        return {name: value for name, value in vars(self).items() if isinstance(value, torch.Tensor)}


class Architecture(ABC):
    """One architecture; those that are only read, and not trained, are no more than this.

    Attributes:
        name: what configs and cfg.json call it.
        shapes: what a trained one consists of: SAELens's names of tensors, and their dimensions, S features or D wide.
    """

    name: ClassVar[str]
    shapes: ClassVar[Shapes]

    @abstractmethod
    def load(self, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Sae:
        """Return a trained autoencoder.

        Args:
            config: SAELens's cfg.json.
            tensors: float32, of the names and shapes that ``shapes`` says.

        Raises:
            KeyError: the config lacks a field, which is named.
            ValueError: the config asks for what is not supported, said in one line.
        """

    def limit(self, config: Mapping[str, Any]) -> int | None:
        """Return the largest number of positive codes a vector of a trained one, None where there is no limit."""
        return None


class TrainedArchitecture(Architecture):
    """One that is trained here, too.

    Attributes:
        settings: the settings of one that is trained.
    """

    settings: ClassVar[type[SaeSettings]]

    @abstractmethod
    def start(self, mean_d: Tensor, settings: Any, generator: torch.Generator) -> Sae:
        """Return an autoencoder that is ready to learn.

        Args:
            mean_d: mean [D] of the states.
            settings: of the class ``settings``.
            generator: source of everything random.
        """
