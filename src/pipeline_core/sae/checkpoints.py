"""Checkpoint formats: SAELens's layout, which artifacts use, and the paper's released .pt files, which are imported.

SAELens keeps ``cfg.json`` beside ``sae_weights.safetensors`` with W_enc [D, S], b_enc [S], W_dec [S, D], b_dec [D].
"""

import json
import pickle
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import normalize

from pipeline_core.activations.vectors import SAE_CONFIG, SAE_WEIGHTS
from pipeline_core.errors import ModelError
from pipeline_core.sae.topk import TopKSae

PAPER_K = 50
_PAPER_REMEDY = "give a .pt of the paper's release"
_PLAIN = {"architecture": "topk", "normalize_activations": "none", "rescale_acts_by_decoder_norm": False}
_TENSORS = ("W_enc", "b_enc", "W_dec", "b_dec")
_PAPER_TENSORS = (
    "encoder.final_block.0.weight",
    "encoder.final_block.0.bias",
    "dictionary._weights",
    "dictionary.multiplier",
)


@dataclass(frozen=True)
class Provenance:
    """What an autoencoder was trained on; kept in cfg.json's metadata.

    Attributes:
        sae_id: "<model>/<recipe>".
        model_name: the model.
        recipe: "paper", "centred", or where it was imported from.
        hook_name: layer and norm position of the states, such as "L30/final_norm".
    """

    sae_id: str
    model_name: str
    recipe: str
    hook_name: str


def write_sae(folder: Path, sae: TopKSae, provenance: Provenance) -> None:
    """Write an autoencoder in SAELens's layout."""
    n_features, width = sae.dictionary.shape
    tensors = (sae.encoder.T, sae.encoder_bias, sae.dictionary, sae.decoder_bias)
    save_file({name: t.contiguous() for name, t in zip(_TENSORS, tensors, strict=True)}, folder / SAE_WEIGHTS)
    config = {
        **_PLAIN,
        "d_in": width,
        "d_sae": n_features,
        "k": sae.k,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": sae.centred,
        "reshape_activations": "none",
        "metadata": vars(provenance),
    }
    (folder / SAE_CONFIG).write_text(json.dumps(config, indent=1), encoding="utf-8")


def read_sae(folder: Path) -> TopKSae:
    """Read an autoencoder in SAELens's layout.

    Raises:
        ModelError: it is not there, not readable, or uses what a plain TopK autoencoder has not (another architecture,
            normalised inputs, codes rescaled by the decoder's norms).
    """
    config = _read_config(folder)
    for field, wanted in _PLAIN.items():
        if config.get(field, wanted) != wanted:
            raise ModelError(
                f"the autoencoder {folder} has {field} = {config[field]!r}", f"only {wanted!r} is supported"
            )
    path = folder / SAE_WEIGHTS
    try:
        encoder, bias, dictionary, decoder_bias = _named(load_file(path), _TENSORS, path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"the weights {path} cannot be read: {error}", "copy them again") from None
    k, centred = (_field(config, folder, name) for name in ("k", "apply_b_dec_to_input"))
    return TopKSae(encoder.T.contiguous().float(), bias.float(), dictionary.float(), decoder_bias.float(), k, centred)


def read_sae_id(folder: Path) -> str:
    """Return the sae_id of an autoencoder artifact.

    Raises:
        ModelError: its cfg.json is missing, unreadable, or names none.
    """
    return str(_field(_field(_read_config(folder), folder, "metadata"), folder, "sae_id"))


def read_paper_checkpoint(path: Path, k: int = PAPER_K) -> TopKSae:
    """Read a .pt file of the paper's release (overcomplete's TopKSAE).

    The dictionary is stored unnormalised, with one multiplier: D = rows at unit norm * exp(multiplier). There is no
    decoder bias, and ``k`` is not stored.

    Raises:
        ModelError: the file is missing, unreadable, unsafe to load, or lacks a tensor.
    """
    # The release keeps its training log in a defaultdict, which the safe loader knows but will not fill: a dict does.
    log_type = (_log, f"{defaultdict.__module__}.{defaultdict.__qualname__}")
    try:
        with torch.serialization.safe_globals([log_type, list]):
            stored = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"the checkpoint {path} cannot be read: {error.strerror}", _PAPER_REMEDY) from None
    except (RuntimeError, EOFError, pickle.UnpicklingError):
        raise ModelError(f"the checkpoint {path} cannot be read: it is damaged or unsafe", _PAPER_REMEDY) from None
    state = stored.get("model_state", {}) if isinstance(stored, dict) else {}
    encoder, bias, rows, multiplier = _named(state, _PAPER_TENSORS, path)
    dictionary = normalize(rows.float()) * multiplier.float().exp()
    return TopKSae(encoder.float(), bias.float(), dictionary, torch.zeros(dictionary.shape[1]), k, centred=False)


def _log(_factory: type[list[Any]]) -> dict[str, Any]:
    return {}


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / SAE_CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"the autoencoder's {path} cannot be read: {error}", "give SAELens's cfg.json") from None
    if not isinstance(config, dict):
        raise ModelError(f"the autoencoder's {path} holds no object", "give SAELens's cfg.json")
    return config


def _field(config: Any, folder: Path, name: str) -> Any:
    if not isinstance(config, dict) or name not in config:
        raise ModelError(f"the autoencoder's {folder / SAE_CONFIG} lacks {name}", "give SAELens's cfg.json")
    return config[name]


def _named(tensors: dict[str, Tensor], names: tuple[str, ...], path: Path) -> list[Tensor]:
    missing = [name for name in names if name not in tensors]
    if missing:
        raise ModelError(f"{path} lacks the tensors {', '.join(missing)}", "it is not a TopK autoencoder")
    return [tensors[name] for name in names]
