"""What a run made, in the formats that other tools read: a file each, which writes one.

Autoencoders are written by the checkpoint formats of ``sae.formats``.
"""

from pipeline_core.exports._kind import Export
from pipeline_core.registry import Registry

__all__ = ["EXPORTS", "Export"]

EXPORTS: Registry[Export] = Registry("export", __name__)
