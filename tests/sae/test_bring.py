import json
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline_core.contracts.validation import validate_artifact
from pipeline_core.errors import ModelError
from pipeline_core.sae.artifact import code_limits, read_sae, read_sae_id
from pipeline_core.sae.bring import bring_sae
from pipeline_core.sae.formats import read_any
from pipeline_core.sae.settings import BroughtSae
from pipeline_core.schema.parquet import read_table
from tests.codes.encoding import encode_embeddings
from tests.sae.artifacts import REPRESENTATION, WIDTH
from tests.sae.formats.files import paper_file, saelens_folder

MAKERS: dict[str, Any] = {"saelens": saelens_folder, "paper": paper_file}


def bring(source: Path, activations: Path, folder: Path, **settings: Any) -> Path:
    folder.mkdir()
    done: list[tuple[int, int]] = []
    bring_sae(
        BroughtSae(source=str(source), **settings), activations, "tiny", folder, lambda *steps: done.append(steps)
    )
    assert done == [(1, 1)]
    return folder


@pytest.mark.parametrize("kind", MAKERS)
def test_a_foreign_checkpoint_becomes_an_artifact(kind: str, activations: Path, dataset: Path, tmp_path: Path) -> None:
    source = tmp_path / "theirs"
    MAKERS[kind](source, width=WIDTH)
    folder = bring(source, activations, tmp_path / "artifact", k=50 if kind == "paper" else None)
    validate_artifact("sae", folder)
    assert sorted(f.name for f in folder.iterdir()) == [
        "cfg.json",
        "sae_data.parquet",
        "sae_training.parquet",
        "sae_weights.safetensors",
    ]
    assert [read_table(folder, name).height for name in ("sae_training", "sae_data")] == [0, 0]
    theirs, ours = read_any(source), read_sae(folder)
    for name, tensor in theirs.sae.state().items():
        assert torch.equal(tensor, ours.state()[name])
    metadata = json.loads((folder / "cfg.json").read_text())["metadata"]
    assert (read_sae_id(folder), metadata["model_name"]) == ("tiny/theirs", "tiny")
    assert metadata["hook_name"] == "L4/final_norm"
    assert (metadata["imported_from"], metadata["format"]) == (str(source), kind)
    assert metadata["facts"] == theirs.facts
    encode_embeddings(folder, activations, dataset, REPRESENTATION["rep_id"], tmp_path)
    validate_artifact("codes", tmp_path, code_limits(folder))


def test_another_width_is_refused_in_one_line(activations: Path, tmp_path: Path) -> None:
    paper_file(tmp_path / "sae.pt", width=7)
    with pytest.raises(ModelError, match=f"takes vectors of width 7, those of tiny have {WIDTH}") as error:
        bring(tmp_path / "sae.pt", activations, tmp_path / "artifact")
    assert "\n" not in str(error.value)


def test_k_of_the_settings_is_used(activations: Path, tmp_path: Path) -> None:
    paper_file(tmp_path / "sae.pt", width=WIDTH)
    folder = bring(tmp_path / "sae.pt", activations, tmp_path / "artifact", k=9, name="nine")
    assert (code_limits(folder), read_sae_id(folder)) == ({"k": 9, "width": 60}, "tiny/nine")
