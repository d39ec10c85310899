"""Autoencoders of other packages, read from their documentation: the equations on dense codes, and the files written.

Nothing here is shared with what reads them: weights are kept as each package keeps them, and drawn at random.
"""

import json
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors.torch import save_file
from torch import Tensor

WIDTH, FEATURES, K = 6, 40, 5


def draw(seed: int, **shapes: tuple[int, ...]) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name.replace("__", "."): torch.randn(s, generator=generator) * 0.3 for name, s in shapes.items()}


def largest(activations: Tensor, k: int) -> Tensor:
    kept = activations.topk(k, dim=-1)
    return torch.zeros_like(activations).scatter(-1, kept.indices, kept.values)


@dataclass
class Published(ABC):
    """One autoencoder; ``encode`` and ``decode`` are those of its package."""

    tensors: dict[str, Tensor]
    config: dict[str, Any]
    format: ClassVar[str]

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor: ...

    @abstractmethod
    def decode(self, f: Tensor) -> Tensor: ...

    @abstractmethod
    def write(self, path: Path, **changes: Any) -> None: ...


class Overcomplete(Published):
    format = "paper"

    def encode(self, x: Tensor) -> Tensor:
        linear = x @ self.tensors["encoder.final_block.0.weight"].T + self.tensors["encoder.final_block.0.bias"]
        return largest(linear.relu(), self.config["k"])

    def decode(self, f: Tensor) -> Tensor:
        rows = self.tensors["dictionary._weights"]
        return f @ (rows / (rows.norm(p=2, dim=1, keepdim=True) + 1e-8) * self.tensors["dictionary.multiplier"].exp())

    def write(self, path: Path, **changes: Any) -> None:
        logs = defaultdict(list, {"r2": [0.5]})
        torch.save({"epoch": 5, "model_state": self.tensors, "optimizer_state": {}, "logs": logs} | changes, path)


class Sparsify(Published):
    format = "sparsify"

    def encode(self, x: Tensor) -> Tensor:
        centred = x - self.tensors["b_dec"]
        linear = torch.nn.functional.linear(centred, self.tensors["encoder.weight"], self.tensors["encoder.bias"])
        return largest(linear.relu(), self.config["k"])

    def decode(self, f: Tensor) -> Tensor:
        return f @ self.tensors["W_dec"] + self.tensors["b_dec"]

    def write(self, path: Path, **changes: Any) -> None:
        path.mkdir()
        save_file(self.tensors, path / "sae.safetensors")
        config = {"activation": "topk", "expansion_factor": 32, "normalize_decoder": True, "num_latents": FEATURES}
        config |= {"multi_topk": False, "skip_connection": False, "transcode": False, "d_in": WIDTH}
        write_json(path / "cfg.json", config | self.config | changes)


class SaeLens(Published):
    format = "saelens"

    def hidden(self, x: Tensor) -> Tensor:
        return x - self.tensors["b_dec"] * self.config["apply_b_dec_to_input"]

    def encode(self, x: Tensor) -> Tensor:
        t, x = self.tensors, self.hidden(x)
        if self.config["architecture"] == "gated":
            gate = (x @ t["W_enc"] + t["b_gate"] > 0).float()
            return gate * (x @ (t["W_enc"] * t["r_mag"].exp()) + t["b_mag"]).relu()
        linear = x @ t["W_enc"] + t["b_enc"]
        if self.config.get("rescale_acts_by_decoder_norm"):
            linear = linear * t["W_dec"].norm(dim=-1)
        if self.config["architecture"] == "topk":
            return largest(linear.relu(), self.config["k"])
        return linear.relu() * (linear > t["threshold"]) if "threshold" in t else linear.relu()

    def decode(self, f: Tensor) -> Tensor:
        if self.config.get("rescale_acts_by_decoder_norm"):
            f = f * (1 / self.tensors["W_dec"].norm(dim=-1))
        return f @ self.tensors["W_dec"] + self.tensors["b_dec"]

    def write(self, path: Path, **changes: Any) -> None:
        path.mkdir()
        save_file(self.tensors, path / "sae_weights.safetensors")
        config = {"d_in": WIDTH, "d_sae": FEATURES, "dtype": "float32", "device": "cpu"}
        config |= {"normalize_activations": "none", "reshape_activations": "none"}
        config |= {"metadata": {"sae_lens_version": "6.22.1", "model_name": "gpt2", "hook_name": "blocks.3.hook"}}
        write_json(path / "cfg.json", config | self.config | changes)


class DictionaryLearning(Published):
    format = "dictionary_learning"

    def encode(self, x: Tensor) -> Tensor:
        t, kind = self.tensors, self.config["dict_class"]
        if kind == "GatedAutoEncoder":
            linear = (x - t["decoder_bias"]) @ t["encoder.weight"].T
            return (linear + t["gate_bias"] > 0) * (t["r_mag"].exp() * linear + t["mag_bias"]).relu()
        if kind == "JumpReluAutoEncoder":
            linear = x @ t["W_enc"] + t["b_enc"]
            return (linear * (linear > t["threshold"])).relu()
        if kind == "MatryoshkaBatchTopKSAE":
            codes = ((x - t["b_dec"]) @ t["W_enc"] + t["b_enc"]).relu()
            return codes * (codes > t["threshold"])
        codes = ((x - t.get("b_dec", t.get("bias"))) @ t["encoder.weight"].T + t["encoder.bias"]).relu()  # type: ignore[operator]
        if kind == "AutoEncoder":
            return codes * t["decoder.weight"].norm(dim=0)
        return codes * (codes > t["threshold"]) if kind == "BatchTopKSAE" else largest(codes, int(t["k"]))

    def decode(self, f: Tensor) -> Tensor:
        t = self.tensors
        if "W_dec" in t:
            return f @ t["W_dec"] + t["b_dec"]
        if self.config["dict_class"] == "AutoEncoder":
            f = f / t["decoder.weight"].norm(dim=0)
        bias = next(t[name] for name in ("b_dec", "bias", "decoder_bias") if name in t)
        return f @ t["decoder.weight"].T + bias

    def write(self, path: Path, **changes: Any) -> None:
        path.mkdir()
        torch.save(self.tensors, path / "ae.pt")
        trainer = {"lm_name": "gpt2", "layer": 3, "activation_dim": WIDTH, "dict_size": FEATURES}
        write_json(path / "config.json", {"trainer": trainer | self.config | changes, "buffer": {"ctx_len": 128}})


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps({name: value for name, value in values.items() if value is not ...}))


_D, _S = WIDTH, FEATURES
_LINEAR = {"W_enc": (_D, _S), "b_enc": (_S,), "W_dec": (_S, _D), "b_dec": (_D,)}
_LAYERS = {"encoder__weight": (_S, _D), "encoder__bias": (_S,), "decoder__weight": (_D, _S)}
_GATE = {"W_enc": (_D, _S), "W_dec": (_S, _D), "b_dec": (_D,), "b_gate": (_S,), "b_mag": (_S,), "r_mag": (_S,)}
_THEIR_GATE = {"decoder_bias": (_D,), "gate_bias": (_S,), "mag_bias": (_S,), "r_mag": (_S,)}
_MATRICES = {"encoder__weight": (_S, _D), "decoder__weight": (_D, _S)}
_BATCH = {"k": torch.tensor(K, dtype=torch.int), "threshold": torch.tensor(0.2)}


def _overcomplete() -> Published:
    layers = {"encoder__final_block__0__weight": (_S, _D), "encoder__final_block__0__bias": (_S,)}
    drawn = draw(1, **layers, dictionary___weights=(_S, _D))
    return Overcomplete({"dictionary.multiplier": torch.tensor(0.3), **drawn}, {"k": 30})


def _saelens(kind: str, centred: bool, shapes: Mapping[str, tuple[int, ...]], **config: Any) -> Published:
    return SaeLens(draw(2, **shapes), {"architecture": kind, "apply_b_dec_to_input": centred, **config})


def _theirs(kind: str, shapes: Mapping[str, tuple[int, ...]], **tensors: Tensor) -> Published:
    return DictionaryLearning(draw(4, **shapes) | tensors, {"dict_class": kind, **({"k": K} if "k" in tensors else {})})


MAKERS = {
    "overcomplete": _overcomplete,
    "saelens-topk": lambda: _saelens("topk", True, _LINEAR, k=K),
    "saelens-topk-not-centred": lambda: _saelens("topk", False, _LINEAR, k=K),
    "saelens-topk-rescaled": lambda: _saelens("topk", True, _LINEAR, k=K, rescale_acts_by_decoder_norm=True),
    "saelens-jumprelu": lambda: _saelens("jumprelu", False, _LINEAR | {"threshold": (_S,)}),
    "saelens-jumprelu-centred": lambda: _saelens("jumprelu", True, _LINEAR | {"threshold": (_S,)}),
    "saelens-gated": lambda: _saelens("gated", True, _GATE),
    "saelens-standard": lambda: _saelens("standard", True, _LINEAR),
    "sparsify": lambda: Sparsify(
        draw(3, encoder__weight=(_S, _D), encoder__bias=(_S,), W_dec=(_S, _D), b_dec=(_D,)), {"k": K}
    ),
    "dictionary_learning-topk": lambda: _theirs("AutoEncoderTopK", _LAYERS | {"b_dec": (_D,)}, **_BATCH),
    "dictionary_learning-batchtopk": lambda: _theirs("BatchTopKSAE", _LAYERS | {"b_dec": (_D,)}, **_BATCH),
    "dictionary_learning-matryoshka": lambda: _theirs(
        "MatryoshkaBatchTopKSAE", _LINEAR, group_sizes=torch.tensor([10, 30]), **_BATCH
    ),
    "dictionary_learning-jumprelu": lambda: _theirs("JumpReluAutoEncoder", _LINEAR | {"threshold": (_S,)}),
    "dictionary_learning-relu": lambda: _theirs("AutoEncoder", _LAYERS | {"bias": (_D,)}),
    "dictionary_learning-gated": lambda: _theirs("GatedAutoEncoder", _MATRICES | _THEIR_GATE),
}
"""Every published kind with random weights, under the package's name."""
