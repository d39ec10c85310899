"""The layout of EleutherAI's sparsify: a folder a hookpoint, cfg.json beside sae.safetensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline_core.errors import ModelError
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
    from pipeline_core.sae.architectures import Sae, Shapes

WEIGHTS = "sae.safetensors"
CONFIG = "cfg.json"
_REMEDY = "give the folder of a hookpoint"
_WANTED = {"activation": "topk", "transcode": False, "skip_connection": False}
"""What its autoencoders may be otherwise, and nothing else here is: by fields of cfg.json."""


class Sparsify(FolderFormat):
    """A folder of two files; the decoder's bias is subtracted from the input."""

    name = "sparsify"
    config_file, weights_file = CONFIG, WEIGHTS
    shapes: ClassVar[Shapes] = {
        "encoder.weight": ("S", "D"),
        "encoder.bias": ("S",),
        "W_dec": ("S", "D"),
        "b_dec": ("D",),
    }

    def read(self, path: Path, k: int | None = None) -> Checkpoint:
        """Read config and weights; transcoders, skip connections and codes by group are refused."""
        config = read_json(path / CONFIG, _REMEDY)
        for name, wanted in _WANTED.items():
            if config.get(name, wanted) != wanted:
                raise ModelError(f"the autoencoder {path} has {name} = {config[name]!r}", f"only {wanted!r} is read")
        refuse_other_k(path, config, k)
        tensors = read_safetensors(path / WEIGHTS)
        check_shapes(tensors, self.shapes, path, "an autoencoder of sparsify")
        said = {"d_in": config.get("d_in"), "d_sae": config.get("num_latents") or None, "k": config.get("k")}
        terms = {name: value for name, value in said.items() if value is not None} | {"apply_b_dec_to_input": True}
        named = dict(zip(("W_enc", "b_enc", "W_dec", "b_dec"), (tensors[name] for name in self.shapes), strict=True))
        return Checkpoint(assemble("topk", terms, named | {"W_enc": named["W_enc"].T}, path), self.name, {})

    def write(self, path: Path, sae: Sae, provenance: Provenance) -> None:
        """Write a TopK autoencoder; if it does not centre its input, the encoder's bias makes up for it."""
        from safetensors.torch import save_file

        tensors, config = self.tensors_of_kind(sae, "topk"), sae.config()
        shift = 0.0 if config["apply_b_dec_to_input"] else tensors["b_dec"] @ tensors["W_enc"]
        named = (tensors["W_enc"].T, tensors["b_enc"] + shift, tensors["W_dec"], tensors["b_dec"])
        path.mkdir(parents=True, exist_ok=True)
        kept = {name: tensor.contiguous() for name, tensor in zip(self.shapes, named, strict=True)}
        save_file(kept, path / WEIGHTS)
        n_features, width = sae.dictionary.shape
        said: dict[str, Any] = {"num_latents": n_features, "k": config["k"], "d_in": width, "multi_topk": False}
        (path / CONFIG).write_text(json.dumps(said | _WANTED | {"normalize_decoder": False}), encoding="utf-8")


MEMBER = Sparsify()
