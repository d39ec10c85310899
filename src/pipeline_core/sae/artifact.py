"""What other stages read of an autoencoder in the store, which keeps SAELens's layout."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file

from pipeline_core.sae.architectures import ARCHITECTURES, Sae
from pipeline_core.sae.formats import Provenance
from pipeline_core.sae.formats.saelens import MEMBER, WEIGHTS, field, read_config


def read_sae(folder: Path) -> Sae:
    """Read an autoencoder.

    Raises:
        ModelError: it is not there, not readable, or uses what is not supported.
    """
    return MEMBER.read(folder).sae


def read_sae_id(folder: Path) -> str:
    """Return the sae_id of an autoencoder.

    Raises:
        ModelError: its cfg.json is missing, unreadable, or names none.
    """
    return str(field(field(read_config(folder), folder, "metadata"), folder, "sae_id"))


def read_provenance(folder: Path) -> Provenance:
    """Return whose an autoencoder of the store is.

    Raises:
        ModelError: its cfg.json is missing, unreadable, or does not say.
    """
    metadata = field(read_config(folder), folder, "metadata")
    return Provenance(**{one.name: metadata[one.name] for one in fields(Provenance) if one.name in metadata})


def load_dictionary(sae: Path) -> npt.NDArray[np.float32]:
    """Read the dictionary D [c, d] of an SAE artifact (SAELens's ``W_dec``)."""
    return np.asarray(load_file(sae / WEIGHTS)["W_dec"], dtype=np.float32)


def code_limits(sae: Path) -> dict[str, int]:
    """Return what the contract of codes compares with: ``width``, and ``k`` if the architecture limits active features.

    Raises:
        ModelError: its cfg.json is missing or unreadable.
    """
    config = read_config(sae)
    limit = ARCHITECTURES[field(config, sae, "architecture")].limit(config)
    width = {"width": int(field(config, sae, "d_sae"))}
    return width if limit is None else {"k": limit, **width}
