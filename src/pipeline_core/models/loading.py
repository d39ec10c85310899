"""A model loaded with its processor, by its family, onto a device; whatever goes wrong is told in one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from pipeline_core.errors import LensError
from pipeline_core.model_facts import ModelFacts
from pipeline_core.models.devices import check_device
from pipeline_core.models.embedder import Embedder
from pipeline_core.models.facts import not_loaded
from pipeline_core.models.families import FAMILIES
from pipeline_core.models.settings import ModelSettings
from pipeline_core.placement import DeviceMap

# Transformers changes its own classes while it loads a model: two threads at once would leave them changed.
_ONE_AT_A_TIME = Lock()


def load_embedder(
    settings: ModelSettings, facts: ModelFacts, device: str, cache: Path, device_map: DeviceMap = None
) -> Embedder:
    """Load a model with its processor, ready to embed.

    Args:
        settings: which model, whether its own code may run, and its limit of pixels.
        facts: what is known of it; their family, place, revision, precision and attention implementation count.
        device: where it runs, e.g. ``cpu`` or ``cuda:1``.
        cache: folder below which reference models are assembled at their first use, and weights go that a device map
            leaves on the disk.
        device_map: spreads it over several devices of the kind of ``device``; see ``Placement``.

    Raises:
        ConfigError: this machine has no such device.
        ModelError: the model cannot be loaded, is not built as its family expects, or does not fit the device.
    """
    check_device(device)
    with _told(facts), _ONE_AT_A_TIME:
        return FAMILIES[facts.family].load(settings, facts, device, cache, device_map)


def load_processor(settings: ModelSettings, facts: ModelFacts, cache: Path) -> Any:
    """Load what a model prepares samples with, without the model; the arguments are those of ``load_embedder``.

    Raises:
        ModelError: it cannot be loaded.
    """
    with _told(facts), _ONE_AT_A_TIME:
        return FAMILIES[facts.family].processor(settings, facts, cache)


@contextmanager
def _told(facts: ModelFacts) -> Iterator[None]:
    try:
        yield
    except LensError:
        raise
    except Exception as error:
        # Whatever a folder holds, and whatever its reading raises in some library, it is the folder that is wrong.
        raise not_loaded(facts.name, error) from error
