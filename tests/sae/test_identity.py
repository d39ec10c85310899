from pathlib import Path

import pytest

from pipeline_core.errors import ModelError
from pipeline_core.sae.identity import identity
from pipeline_core.sae.settings import DEFAULT_SAES, BroughtSae
from tests.sae.formats.files import saelens_folder


def test_identity_is_of_every_file_that_is_read(tmp_path: Path) -> None:
    saelens_folder(tmp_path / "sae")
    brought = BroughtSae(source=str(tmp_path / "sae"))
    known = {identity(brought)}
    (tmp_path / "sae" / "sparsity.safetensors").unlink()
    assert identity(brought) in known
    for name in ("cfg.json", "sae_weights.safetensors"):
        file = tmp_path / "sae" / name
        file.write_bytes(file.read_bytes() + b" ")
        assert identity(brought) not in known
        known.add(identity(brought))
    assert identity(DEFAULT_SAES[0]) is None


def test_identity_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no autoencoder at"):
        identity(BroughtSae(source=str(tmp_path / "absent")))
