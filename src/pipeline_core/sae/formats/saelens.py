"""SAELens's layout, which artifacts use: cfg.json beside sae_weights.safetensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline_core.errors import ModelError
from pipeline_core.sae.architectures import Sae
from pipeline_core.sae.formats._kind import Checkpoint, CheckpointFormat, Provenance, assemble

WEIGHTS = "sae_weights.safetensors"
CONFIG = "cfg.json"
_REMEDY = "give SAELens's cfg.json"
_UNTOUCHED = {"normalize_activations": "none", "reshape_activations": "none"}
"""What SAELens may do to states before they are encoded, and nothing else here does."""


class SaeLens(CheckpointFormat):
    """A folder of two files."""

    name = "saelens"

    def recognise(self, path: Path) -> bool:
        """Look for both files."""
        return all(file.is_file() for file in self.files(path))

    def files(self, path: Path) -> tuple[Path, ...]:
        """Return both files; the frequencies that SAELens may keep beside them are not read."""
        return path / CONFIG, path / WEIGHTS

    def read(self, path: Path, k: int | None = None) -> Checkpoint:
        """Read config and weights; states that SAELens would normalise or reshape first are refused."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        config = read_config(path)
        architecture = str(field(config, path, "architecture"))
        for name, wanted in _UNTOUCHED.items():
            if config.get(name, wanted) != wanted:
                raise ModelError(
                    f"the autoencoder {path} has {name} = {config[name]!r}", f"only {wanted!r} is supported"
                )
        if k not in (None, config.get("k")):
            raise ModelError(f"the autoencoder {path} has k = {config.get('k')}, not {k}", "leave k out")
        weights = path / WEIGHTS
        try:
            tensors = load_file(weights)
        except (OSError, SafetensorError) as error:
            raise ModelError(f"the weights {weights} cannot be read: {error}", "copy them again") from None
        metadata = config.get("metadata")
        facts = metadata if isinstance(metadata, dict) else {}
        return Checkpoint(assemble(architecture, config, tensors, path), self.name, facts)

    def write(self, folder: Path, sae: Sae, provenance: Provenance) -> None:
        """Write an autoencoder, its tensors as float32."""
        from safetensors.torch import save_file

        n_features, width = sae.dictionary.shape
        save_file({name: t.detach().contiguous() for name, t in sae.tensors().items()}, folder / WEIGHTS)
        config = {
            "architecture": sae.architecture,
            "d_in": width,
            "d_sae": n_features,
            "dtype": "float32",
            "device": "cpu",
            **_UNTOUCHED,
            **sae.config(),
            "metadata": {name: value for name, value in vars(provenance).items() if value},
        }
        (folder / CONFIG).write_text(json.dumps(config, indent=1), encoding="utf-8")


def read_config(folder: Path) -> dict[str, Any]:
    """Return a folder's cfg.json.

    Raises:
        ModelError: it is missing, unreadable, or holds no object.
    """
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"the autoencoder's {path} cannot be read: {error}", _REMEDY) from None
    if not isinstance(config, dict):
        raise ModelError(f"the autoencoder's {path} holds no object", _REMEDY)
    return config


def field(config: Any, folder: Path, name: str) -> Any:
    """Return a field of the cfg.json of a folder, or of an object in it.

    Raises:
        ModelError: it is not there.
    """
    if not isinstance(config, dict) or name not in config:
        raise ModelError(f"the autoencoder's {folder / CONFIG} lacks {name}", _REMEDY)
    return config[name]


MEMBER = SaeLens()
