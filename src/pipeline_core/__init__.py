"""Retrieval Lens: why a multimodal model retrieves badly, measured. The library; it knows nothing of Prefect."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline_core.library import OpenStore, Run, fit_adaptation, open_store

__all__ = ["OpenStore", "Run", "fit_adaptation", "open_store"]


def __getattr__(name: str) -> Any:
    """Import the library when it is first asked for: commands that need less of it start sooner."""
    if name in __all__:
        from pipeline_core import library  # noqa: PLC0415 - see above

        return getattr(library, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
