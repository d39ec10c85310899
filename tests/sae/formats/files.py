"""Checkpoints of autoencoders that were trained elsewhere, made by hand."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file


def paper_file(path: Path, width: int = 6, features: int = 60, **changes: object) -> dict[str, torch.Tensor]:
    """A file as the paper's release has them; returns its model_state."""
    generator = torch.Generator().manual_seed(0)
    state = {
        "encoder.final_block.0.weight": torch.randn(features, width, generator=generator),
        "encoder.final_block.0.bias": torch.randn(features, generator=generator),
        "dictionary._weights": 3 * torch.randn(features, width, generator=generator),
        "dictionary.multiplier": torch.tensor(0.7),
    }
    logs = defaultdict(list, {"loss": [1.0, 0.5]})
    stored = {"epoch": 4, "model_state": state, "optimizer_state": {}, "logs": logs} | changes
    torch.save(stored, path)
    return state


def saelens_folder(folder: Path, width: int = 6, features: int = 20, **changes: Any) -> dict[str, torch.Tensor]:
    """A folder as SAELens writes it, with the facts of its training; returns its tensors."""
    folder.mkdir()
    generator = torch.Generator().manual_seed(1)
    shapes = {"W_enc": (width, features), "b_enc": (features,), "W_dec": (features, width), "b_dec": (width,)}
    tensors = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    save_file(tensors, folder / "sae_weights.safetensors")
    save_file({"sparsity": torch.zeros(features)}, folder / "sparsity.safetensors")
    config = {
        "architecture": "topk",
        "d_in": width,
        "d_sae": features,
        "dtype": "float32",
        "device": "cuda",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "k": 4,
        "rescale_acts_by_decoder_norm": False,
        "metadata": {"sae_lens_version": "6.22.1", "model_name": "elsewhere/model", "hook_name": "blocks.3.hook"},
    }
    (folder / "cfg.json").write_text(json.dumps({k: v for k, v in (config | changes).items() if v is not ...}))
    return tensors
