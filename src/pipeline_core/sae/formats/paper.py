"""The paper's released .pt files: TopK autoencoders of the package overcomplete, with their optimiser and log."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline_core.errors import ModelError
from pipeline_core.sae.formats._kind import Checkpoint, CheckpointFormat, Provenance, assemble, check_shapes
from pipeline_core.sae.formats._pickles import load_plain, mentions, tensors_of

if TYPE_CHECKING:
    from pipeline_core.sae.architectures import Sae, Shapes

K = 50
"""Active features a vector in the paper; the files do not say."""

_REMEDY = "give a .pt of the paper's release"
_STATE = "model_state"
_WEIGHT, _BIAS = "encoder.final_block.0.weight", "encoder.final_block.0.bias"
_ROWS, _MULTIPLIER = "dictionary._weights", "dictionary.multiplier"
_ALIKE = 1e-5
"""How far, of one, lengths of rows may differ that one multiplier stands for."""

_LEAST = 1e-12
"""Length that a row of zeros is taken to have."""

_UNIT = 5e-7
"""How far from one a length may be that rounding alone made: such rows are taken as they are, there and back."""


class Paper(CheckpointFormat):
    """One file: epoch, model_state, optimizer_state, logs."""

    name = "paper"
    shapes: ClassVar[Shapes] = {_WEIGHT: ("S", "D"), _BIAS: ("S",), _MULTIPLIER: (), _ROWS: ("S", "D")}

    def recognise(self, path: Path) -> bool:
        """Look for the dictionary's name in the index of a file of torch."""
        return mentions(path, _ROWS)

    def files(self, path: Path) -> tuple[Path, ...]:
        """Return the file."""
        return (path,)

    def read(self, path: Path, k: int | None = None) -> Checkpoint:
        """Read the file; the dictionary is stored unnormalised: D = rows at unit norm * exp(multiplier).

        There is no decoder bias, and k is 50 unless it is given. Encoders of more than one linear layer are refused.
        """
        import torch

        stored = load_plain(path, _REMEDY)
        state = tensors_of(stored.get(_STATE))
        check_shapes(state, self.shapes, path, "an autoencoder of the paper's release")
        if further := sorted(state.keys() - self.shapes.keys()):
            raise ModelError(f"{path} has the tensor {further[0]}, which TopK of one linear layer has not", _REMEDY)
        weight, bias, multiplier, rows = (state[name].float() for name in self.shapes)
        lengths = rows.norm(dim=1, keepdim=True)
        lengths = torch.where((lengths - 1).abs() < _UNIT, 1.0, lengths.clamp_min(_LEAST))
        dictionary = rows / lengths * multiplier.exp()
        tensors = {"W_enc": weight.T, "b_enc": bias, "W_dec": dictionary, "b_dec": torch.zeros(rows.shape[-1])}
        config = {"k": k or K, "apply_b_dec_to_input": False}
        facts = {name: stored[name] for name in ("epoch",) if isinstance(stored.get(name), int)}
        return Checkpoint(assemble("topk", config, tensors, path), self.name, facts)

    def write(self, path: Path, sae: Sae, provenance: Provenance) -> None:
        """Write a TopK autoencoder without a decoder bias whose features are of one length; k is not in the file."""
        import torch

        tensors, lengths = self.tensors_of_kind(sae, "topk"), sae.dictionary.norm(dim=1)
        length = lengths.mean()
        if tensors["b_dec"].any() or (lengths - length).abs().max() > _ALIKE * length:
            raise ModelError(
                f"the format {self.name} has no decoder bias and features of one length, {provenance.sae_id} has not",
                "write it in another format",
            )
        multiplier = torch.where((length - 1).abs() < _UNIT, 0.0, length.log())
        state = {
            _WEIGHT: tensors["W_enc"].T.contiguous(),
            _BIAS: tensors["b_enc"],
            _ROWS: tensors["W_dec"],
            _MULTIPLIER: multiplier,
        }
        logs: dict[str, list[Any]] = defaultdict(list)
        torch.save({"epoch": 0, _STATE: state, "optimizer_state": {}, "logs": logs}, path)


MEMBER = Paper()
