"""The layout of the package dictionary_learning: a folder a trainer, ae.pt beside config.json, which names the class.

Codes are those that its ``load_dictionary`` leads to: a BatchTopK autoencoder's are by its threshold, and a plain one's
features are brought to unit norm. All but JumpReLU subtract the decoder's bias from the input.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_core.errors import ModelError
from pipeline_core.sae.architectures.jumprelu import without_gate
from pipeline_core.sae.formats._kind import Checkpoint, FolderFormat, Provenance, assemble, check_shapes, read_json
from pipeline_core.sae.formats._pickles import load_plain, tensors_of

if TYPE_CHECKING:
    from torch import Tensor

    from pipeline_core.sae.architectures import Sae, Shapes

WEIGHTS = "ae.pt"
CONFIG = "config.json"
_REMEDY = "give the folder of a trainer, with ae.pt and config.json"
_FACTS = ("lm_name", "layer", "submodule_name", "steps", "seed")

_TOPK, _JUMP, _PLAIN, _GATED = "AutoEncoderTopK", "JumpReluAutoEncoder", "AutoEncoder", "GatedAutoEncoder"
_BATCH, _NESTED = "BatchTopKSAE", "MatryoshkaBatchTopKSAE"

_LAYERS = {"W_enc": "encoder.weight", "W_dec": "decoder.weight"}
_OWN = {name: name for name in ("W_enc", "b_enc", "W_dec", "b_dec")}
_GATE = {"b_gate": "gate_bias", "b_mag": "mag_bias", "r_mag": "r_mag", "b_dec": "decoder_bias"}

_NAMES: Mapping[str, Mapping[str, str]] = {
    _TOPK: _LAYERS | {"b_enc": "encoder.bias", "b_dec": "b_dec"},
    _BATCH: _LAYERS | {"b_enc": "encoder.bias", "b_dec": "b_dec"},
    _NESTED: _OWN,
    _JUMP: _OWN | {"threshold": "threshold"},
    _PLAIN: _LAYERS | {"b_enc": "encoder.bias", "b_dec": "bias"},
    _GATED: _LAYERS | _GATE,
}
"""Every class that is read: what it calls the tensors of SAELens."""


class DictionaryLearning(FolderFormat):
    """A folder of two files."""

    name = "dictionary_learning"
    config_file, weights_file = CONFIG, WEIGHTS

    def read(self, path: Path, k: int | None = None) -> Checkpoint:
        """Read config and weights; a BatchTopK one whose threshold was never set needs a k, of features a vector."""
        trainer = read_json(path / CONFIG, _REMEDY).get("trainer")
        said = trainer if isinstance(trainer, dict) else {}
        kind = said.get("dict_class")
        if not isinstance(kind, str) or kind not in _NAMES:
            raise ModelError(f"the autoencoder {path} has dict_class = {kind!r}", f"known: {', '.join(_NAMES)}")
        state = tensors_of(load_plain(path / WEIGHTS, _REMEDY))
        named = _named(kind, state, path / WEIGHTS)
        config: dict[str, Any] = {"apply_b_dec_to_input": kind != _JUMP}
        threshold = state.get("threshold")
        if kind in (_BATCH, _NESTED) and threshold is not None and threshold.numel() == 1 and threshold >= 0:
            named["threshold"] = threshold.float().expand(len(named["b_enc"])).clone()
        elif kind in (_BATCH, _NESTED) and k is None:
            raise ModelError(
                f"the threshold of the autoencoder {path} was never set, so that its codes hang on the batch",
                "give k, to take that many features a vector",
            )
        elif kind == _PLAIN:
            named = _of_unit_norm(named) | {"threshold": 0 * named["b_enc"]}
        elif kind == _GATED:
            named = without_gate(named)
        if "threshold" not in named:
            config["k"] = k if kind != _TOPK else _told_k(path, said, state, k)
        facts = {name: said[name] for name in _FACTS if isinstance(said.get(name), str | int)}
        if "group_sizes" in state:
            facts["group_sizes"] = state["group_sizes"].tolist()
        architecture = "jumprelu" if "threshold" in named else "topk"
        return Checkpoint(assemble(architecture, config, named, path), self.name, facts)

    def write(self, path: Path, sae: Sae, provenance: Provenance) -> None:
        """Write a TopK or JumpReLU autoencoder; where it centres otherwise, the encoder's bias makes up for it."""
        import torch

        tensors, config = self.tensors_of_kind(sae, "topk", "jumprelu"), sae.config()
        kind = _JUMP if "threshold" in tensors else _TOPK
        shift = tensors["b_dec"] @ tensors["W_enc"]
        makes_up = {(True, _JUMP): -shift, (False, _TOPK): shift}.get((config["apply_b_dec_to_input"], kind), 0.0)
        tensors["b_enc"] = tensors["b_enc"] + makes_up
        turned = kind == _TOPK
        state = {
            stored: (tensors[name].T if turned and name in _LAYERS else tensors[name]).contiguous()
            for name, stored in _NAMES[kind].items()
        }
        n_features, width = sae.dictionary.shape
        trainer = {
            "dict_class": kind,
            "activation_dim": width,
            "dict_size": n_features,
            "lm_name": provenance.model_name,
        }
        if turned:
            state |= {"k": torch.tensor(config["k"], dtype=torch.int), "threshold": torch.tensor(-1.0)}
            trainer["k"] = config["k"]
        path.mkdir(parents=True, exist_ok=True)
        torch.save(state, path / WEIGHTS)
        (path / CONFIG).write_text(json.dumps({"trainer": trainer, "buffer": {}}), encoding="utf-8")


def _named(kind: str, state: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Return the tensors of a class by SAELens's names and in its shapes: linear layers are kept the other way round.

    Raises:
        ModelError: one is missing, or of another shape.
    """
    names = _NAMES[kind]
    turned = names["W_enc"] in _LAYERS.values()
    matrices = {"W_enc": ("S", "D") if turned else ("D", "S"), "W_dec": ("D", "S") if turned else ("S", "D")}
    biases = {"b_dec": ("D",)}
    shapes: Shapes = {stored: (matrices | biases).get(name, ("S",)) for name, stored in names.items()}  # type: ignore[misc]
    check_shapes(state, shapes, path, f"of the class {kind}")
    tensors = {name: state[stored].float() for name, stored in names.items()}
    return tensors | ({name: tensors[name].T for name in _LAYERS} if turned else {})


def _of_unit_norm(named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    import torch

    norms = named["W_dec"].norm(dim=1)
    if torch.allclose(norms, torch.ones_like(norms)):
        return dict(named)
    scaled = {"W_enc": named["W_enc"] * norms, "b_enc": named["b_enc"] * norms}
    return {**named, **scaled, "W_dec": named["W_dec"] / norms[:, None]}


def _told_k(path: Path, said: Mapping[str, Any], state: Mapping[str, Tensor], k: int | None) -> int | None:
    """Return k, which config and weights both tell.

    Raises:
        ModelError: they contradict each other, or what is given, or there is none.
    """
    stored = int(state["k"].item()) if "k" in state and state["k"].numel() == 1 else None
    told = {value for value in (stored, said.get("k"), k) if value is not None}
    if len(told) != 1:
        problem = f"is said to have k = {' and '.join(map(str, sorted(told, key=str)))}" if told else "lacks k"
        raise ModelError(f"the autoencoder {path} {problem}", "leave k out, or copy it again" if told else "give k")
    found: int = told.pop()
    return found


MEMBER = DictionaryLearning()
