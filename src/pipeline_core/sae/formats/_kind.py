"""What a checkpoint format is: it turns files into an architecture's tensors under SAELens's names."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline_core.errors import ModelError
from pipeline_core.sae.architectures import ARCHITECTURES, Sae, Shapes
from pipeline_core.tensor_files import check_header

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Provenance:
    """Whose autoencoder an artifact holds, and where it comes from; kept in cfg.json's metadata.

    Attributes:
        sae_id: "<model>/<name>".
        model_name: the model.
        hook_name: layer and norm position of the states that it is for, such as "L30/final_norm".
        imported_from: the path of one that was trained elsewhere, None for one that was trained here.
        format: the format it was imported from.
        facts: what its files said of its origin.
    """

    sae_id: str
    model_name: str
    hook_name: str
    imported_from: str | None = None
    format: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Checkpoint:
    """A trained autoencoder as it was read, the name of the format, and what the files say of its origin."""

    sae: Sae
    format: str
    facts: Mapping[str, Any]


class CheckpointFormat(ABC):
    """One format; ``name`` is what messages and provenance call it."""

    name: str

    @abstractmethod
    def recognise(self, path: Path) -> bool:
        """Say whether a file or folder is of this format, without torch and without reading much of it."""

    @abstractmethod
    def files(self, path: Path) -> tuple[Path, ...]:
        """Return every file that ``read`` reads: their contents are the autoencoder's identity."""

    @abstractmethod
    def read(self, path: Path, k: int | None = None) -> Checkpoint:
        """Read a trained autoencoder; nothing in the file may run code.

        Args:
            path: file or folder.
            k: active features a vector, for formats that do not say.

        Raises:
            ModelError: it is missing, not readable, or uses what is not supported.
        """

    def write(self, path: Path, sae: Sae, provenance: Provenance) -> None:
        """Write a trained autoencoder, its tensors as float32.

        Args:
            path: file or folder.
            sae: the autoencoder.
            provenance: whose it is.

        Raises:
            ModelError: the format is only read, or cannot hold this one.
        """
        raise ModelError(f"the format {self.name} is only read, not written", "name another format")

    def tensors_of_kind(self, sae: Sae, *architectures: str) -> dict[str, Tensor]:
        """Return the tensors of an autoencoder that the format can hold, free of gradients.

        Raises:
            ModelError: it is of none of the architectures.
        """
        if sae.architecture not in architectures:
            raise ModelError(
                f"the format {self.name} holds no {sae.architecture} autoencoders, only {' or '.join(architectures)}",
                "name another format",
            )
        return {name: tensor.detach() for name, tensor in sae.tensors().items()}


class FolderFormat(CheckpointFormat):
    """A format that keeps a config beside the weights in a folder."""

    config_file: ClassVar[str]
    weights_file: ClassVar[str]

    def recognise(self, path: Path) -> bool:
        """Look for both files."""
        return all(file.is_file() for file in self.files(path))

    def files(self, path: Path) -> tuple[Path, ...]:
        """Return both files; what a package may keep beside them is not read."""
        return path / self.config_file, path / self.weights_file


def refuse_other_k(path: Path, config: Mapping[str, Any], k: int | None) -> None:
    """Refuse a k that is given where the config tells another.

    Raises:
        ModelError: it does.
    """
    if k not in (None, config.get("k")):
        raise ModelError(f"the autoencoder {path} has k = {config.get('k')}, not {k}", "leave k out")


def require(tensors: Mapping[str, Any], names: Iterable[str], path: Path, what: str) -> None:
    """Refuse a file that lacks tensors.

    Raises:
        ModelError: it names them; ``what`` says what the file is not.
    """
    missing = [name for name in names if name not in tensors]
    if missing:
        raise ModelError(f"{path} lacks the tensors {', '.join(missing)}", f"it is not {what}")


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises:
        ModelError: it is missing, unreadable, or holds no object.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"the autoencoder's {path} cannot be read: {error}", remedy) from None
    except RecursionError:
        raise ModelError(f"the autoencoder's {path} cannot be read: it is nested too deep", remedy) from None
    if not isinstance(found, dict):
        raise ModelError(f"the autoencoder's {path} holds no object", remedy)
    return found


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file.

    Raises:
        ModelError: it cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        check_header(path)
        return dict(load_file(path))
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(f"the weights {path} cannot be read: {error}", "copy them again") from None


def check_shapes(tensors: Mapping[str, Tensor], shapes: Shapes, path: Path, what: str) -> dict[str, int]:
    """See that tensors are those of a layout, and return its sizes, S features and D wide, as its last matrix has them.

    Raises:
        ModelError: one is missing, of another shape, all zero or not finite; ``what`` says what they are not.
    """
    require(tensors, shapes, path, what)
    last = [name for name, dimensions in shapes.items() if len(dimensions) == len("SD")][-1]
    sizes = dict(zip(shapes[last], tensors[last].shape, strict=False))
    for name, dimensions in shapes.items():
        found = tuple(tensors[name].shape)
        if found != tuple(sizes.get(dimension) for dimension in dimensions):
            raise ModelError(
                f"{path}: the tensor {name} has the shape {found}, which does not fit {last}'s "
                f"{tuple(tensors[last].shape)}",
                f"{name} is [{', '.join(dimensions)}]",
            )
        if not tensors[name].isfinite().all() or (len(dimensions) > 1 and not tensors[name].any()):
            raise ModelError(f"{path}: the tensor {name} is all zero or not finite", "copy it again, or train another")
    return {str(dimension): size for dimension, size in sizes.items()}


def assemble(architecture: str, config: Mapping[str, Any], tensors: Mapping[str, Tensor], path: Path) -> Sae:
    """Put a trained autoencoder together from what a file at ``path`` says in SAELens's terms.

    Raises:
        ModelError: the architecture is unknown, a tensor is missing or of another shape, or the config is unusable.
    """
    if architecture not in ARCHITECTURES:
        known = " or ".join(ARCHITECTURES)
        raise ModelError(f"the autoencoder {path} has architecture = {architecture!r}", f"known: {known}")
    kind = ARCHITECTURES[architecture]
    sizes = check_shapes(tensors, kind.shapes, path, f"a {architecture} autoencoder")
    for field_name, dimension in (("d_sae", "S"), ("d_in", "D")):
        if config.get(field_name, sizes[dimension]) != sizes[dimension]:
            said = f"{field_name} = {config[field_name]!r}, and W_dec has the shape {tuple(tensors['W_dec'].shape)}"
            raise ModelError(f"the autoencoder {path} has {said}", "copy config and weights again")
    try:
        return kind.load(config, {name: tensors[name].float() for name in kind.shapes})
    except KeyError as error:
        raise ModelError(f"the config of the autoencoder {path} lacks {error.args[0]}", "copy it again") from None
    except ValueError as error:
        raise ModelError(f"the autoencoder {path}: {error}", "take another one") from None
