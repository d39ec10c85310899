"""The identity of an autoencoder that is brought from outside the store."""

import hashlib
from pathlib import Path

from pipeline_core.sae.architectures import ARCHITECTURES
from pipeline_core.sae.formats import FORMATS, find_format
from pipeline_core.sae.settings import BroughtSae, SaeSettings
from pipeline_core.store.digests import Digests
from pipeline_core.store.fingerprint import canonical_json


def identity(settings: SaeSettings | BroughtSae) -> str | None:
    """Return what stands for the contents of a brought autoencoder in a key: a digest of every file that is read.

    One that is trained here has none, its settings and its input say all, unless its architecture is from outside.

    Raises:
        ModelError: there is nothing at its path, or no format recognises it.
    """
    if isinstance(settings, SaeSettings):
        return ARCHITECTURES.identity(settings.architecture)
    path = Path(settings.source)
    kind = find_format(path)
    with Digests() as known:
        digests = [kind.name, *(known.of(file) for file in kind.files(path))]
    digests += [outside for outside in (FORMATS.identity(kind.name), ARCHITECTURES.identity()) if outside]
    return hashlib.sha256(canonical_json(digests).encode()).hexdigest()
