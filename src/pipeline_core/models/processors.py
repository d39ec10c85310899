"""A processor put together from its parts: for pictures, a model that also takes videos needs no torchvision."""

import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoProcessor
from transformers.models.auto.configuration_auto import model_type_to_module_name
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES, processor_class_from_name
from transformers.processing_utils import MODALITY_TO_AUTOPROCESSOR_MAPPING
from transformers.utils.hub import cached_file
from transformers.video_processing_utils import VideoProcessorMixin

_FILES = ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json")
_PILLOW = {"backend": "pil"}
_HIDDEN = "__backends"  # what transformers notes in a class that it shows to nobody without certain packages


class NoVideos(VideoProcessorMixin):  # type: ignore[misc]
    """What stands in a processor where it wants one for videos: theirs load with torchvision only."""

    num_frames = None
    fps = None

    def preprocess(self, videos: Any, **_: Any) -> Any:
        """Refuse them.

        Raises:
            ValueError: always.
        """
        raise ValueError("videos are not supported")


class _WithoutVideos:
    """What a processor checks of its parts; the table in which it looks for video processors needs torchvision."""

    def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
        if not isinstance(argument, NoVideos):
            return super().check_argument_for_proper_class(argument_name, argument)  # type: ignore[misc]
        return NoVideos


def load_processor(place: str, options: Mapping[str, Any]) -> Any:
    """Load a model's processor, with the picture processor of Pillow.

    ``AutoProcessor`` does, unless the processor's class takes videos or asks for torchvision: then tokenizer, picture
    processor, settings and template are read one by one, as that class would.

    Args:
        place: a folder, or a name on the hub.
        options: revision and whether the model's own code may run.

    Raises:
        OSError, ValueError, ImportError: as those of transformers.
    """
    kind = _class(place, options)
    if kind is None or not (_HIDDEN in vars(kind) or "video_processor" in kind.get_attributes()):
        return AutoProcessor.from_pretrained(place, **_PILLOW, **options)
    settings, _ = kind.get_processor_dict(place, **options)
    parts = [_part(name, place, options) for name in kind.get_attributes()]
    put_together: Any = type(kind.__name__, (_WithoutVideos, kind), {})
    return put_together.from_args_and_dict(parts, settings)


def _part(name: str, place: str, options: Mapping[str, Any]) -> Any:
    if name == "video_processor":
        return NoVideos()
    backend = _PILLOW if name == "image_processor" else {}
    return MODALITY_TO_AUTOPROCESSOR_MAPPING[name].from_pretrained(place, **backend, **options)


def _class(place: str, options: Mapping[str, Any]) -> Any:
    """Return the processor's class, if it is one of transformers: as the files name it, else that of the model type."""
    for file in _FILES:
        found = cached_file(place, file, revision=options.get("revision"), _raise_exceptions_for_missing_entries=False)
        name = json.loads(Path(found).read_text(encoding="utf-8")).get("processor_class") if found else None
        if name is not None:
            return _find(name)
    return _find(PROCESSOR_MAPPING_NAMES.get(AutoConfig.from_pretrained(place, **options).model_type))


def _find(name: str | None) -> Any:
    """Return a processor's class, also one that transformers hides where torchvision is missing."""
    kind = None if name is None else processor_class_from_name(name)
    if not getattr(kind, "is_dummy", False):
        return kind
    # Its module imports a helper from the picture processor of torchvision, which that of Pillow has too.
    for model_type in (module for module, named in PROCESSOR_MAPPING_NAMES.items() if named == name):
        folder = f"transformers.models.{model_type_to_module_name(model_type)}"
        last = folder.rpartition(".")[2]
        with suppress(ModuleNotFoundError):
            pillow = import_module(f"{folder}.image_processing_pil_{last}")
            sys.modules.setdefault(f"{folder}.image_processing_{last}", pillow)
            return getattr(import_module(f"{folder}.processing_{last}"), str(name))
    return kind
