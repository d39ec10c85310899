"""SAELens's layout, which artifacts use: cfg.json beside sae_weights.safetensors."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_core.errors import ModelError
from pipeline_core.sae.architectures import Sae, Shapes
from pipeline_core.sae.architectures.jumprelu import GATED, without_gate
from pipeline_core.sae.formats._kind import (
    Checkpoint,
    FolderFormat,
    Provenance,
    assemble,
    check_shapes,
    read_json,
    read_safetensors,
    refuse_other_k,
)

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS = "sae_weights.safetensors"
CONFIG = "cfg.json"
_REMEDY = "give SAELens's cfg.json"
_UNTOUCHED = {"normalize_activations": "none", "reshape_activations": "none"}
"""What SAELens may do to states before they are encoded, and nothing else here does."""

_VERSIONS = {"sae_lens_version": "6.22.1", "sae_lens_training_version": None}
"""The version whose layout is written: SAELens takes metadata of none for those of an old one, and drops them."""


def _with_thresholds_of_zero(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {**tensors, "threshold": 0 * tensors["b_enc"]}


_LINEAR: Shapes = {"W_enc": ("D", "S"), "b_enc": ("S",), "W_dec": ("S", "D"), "b_dec": ("D",)}
_AS_JUMPRELU: Mapping[str, tuple[Shapes, Callable[[Mapping[str, Tensor]], dict[str, Tensor]]]] = {
    "standard": (_LINEAR, _with_thresholds_of_zero),
    "gated": (GATED, without_gate),
}
"""Architectures that are read as the JumpReLU one that they equal; a BatchTopK one is such when SAELens saves it."""


class SaeLens(FolderFormat):
    """A folder of two files."""

    name = "saelens"
    config_file, weights_file = CONFIG, WEIGHTS

    def read(self, path: Path, k: int | None = None) -> Checkpoint:
        """Read config and weights; states that SAELens would normalise or reshape first are refused."""
        config = read_config(path)
        architecture = str(field(config, path, "architecture"))
        for name, wanted in _UNTOUCHED.items():
            if config.get(name, wanted) != wanted:
                raise ModelError(
                    f"the autoencoder {path} has {name} = {config[name]!r}",
                    f"only {wanted!r} is supported: save it with that folded into its weights",
                )
        refuse_other_k(path, config, k)
        tensors = read_safetensors(path / WEIGHTS)
        if architecture in _AS_JUMPRELU:
            shapes, converted = _AS_JUMPRELU[architecture]
            check_shapes(tensors, shapes, path, f"a {architecture} autoencoder")
            architecture, tensors = "jumprelu", converted({name: tensor.float() for name, tensor in tensors.items()})
        metadata = config.get("metadata")
        facts = metadata if isinstance(metadata, dict) else {}
        return Checkpoint(assemble(architecture, config, tensors, path), self.name, facts)

    def write(self, path: Path, sae: Sae, provenance: Provenance) -> None:
        """Write an autoencoder, its tensors as float32."""
        from safetensors.torch import save_file

        path.mkdir(parents=True, exist_ok=True)
        n_features, width = sae.dictionary.shape
        save_file({name: t.detach().contiguous() for name, t in sae.tensors().items()}, path / WEIGHTS)
        config = {
            "architecture": sae.architecture,
            "d_in": width,
            "d_sae": n_features,
            "dtype": "float32",
            "device": "cpu",
            **_UNTOUCHED,
            **sae.config(),
            "metadata": _VERSIONS | {name: value for name, value in vars(provenance).items() if value},
        }
        (path / CONFIG).write_text(json.dumps(config, indent=1), encoding="utf-8")


def read_config(folder: Path) -> dict[str, Any]:
    """Return a folder's cfg.json.

    Raises:
        ModelError: it is missing, unreadable, or holds no object.
    """
    return read_json(folder / CONFIG, _REMEDY)


def field(config: Any, folder: Path, name: str) -> Any:
    """Return a field of the cfg.json of a folder, or of an object in it.

    Raises:
        ModelError: it is not there.
    """
    if not isinstance(config, dict) or name not in config:
        raise ModelError(f"the autoencoder's {folder / CONFIG} lacks {name}", _REMEDY)
    return config[name]


MEMBER = SaeLens()
