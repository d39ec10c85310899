"""The configuration: one section a stage, what several stages share, the models, and how the run is carried out.

It is the flow's parameter, the form in the UI and the preset in one object; every default together is the demo.
"""

from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import Field, ValidationError, create_model, model_validator

from pipeline_core.config_moves import moved
from pipeline_core.errors import ConfigError
from pipeline_core.model_facts import ModelFacts
from pipeline_core.models.settings import ModelSettings
from pipeline_core.pipeline import SAES, SHARED, STAGES
from pipeline_core.placement import Placement
from pipeline_core.presets import PRESETS, preset_names
from pipeline_core.presets.protocol import expanded
from pipeline_core.settings import Count, Section, explained

_SEED = "seed"
_EXAMPLE = "for example scoring.seed=1"
_PATH = ".path"
_LARGEST_FILE = 16 << 20
"""Bytes that no config has: what is no file may never end."""

_NO_YAML = (yaml.YAMLError, ValueError, RecursionError)
"""What its reader raises: ValueError of dates and numbers that there are not, RecursionError of lists in lists."""


class RunConfig(Section):
    """Everything that decides a result, and how it is come by; a stage's section is had by its path."""

    model: ModelSettings = Field(default_factory=ModelSettings)
    compare_with: tuple[ModelSettings, ...] = Field(
        (ModelSettings(name="reference-contrastive"),), description="Further models for the comparison report."
    )
    repetitions: Count = Field(
        3, description="Seeds that lens sweep tries, of SAEs and of the support and validation splits."
    )
    placement: Placement = Field(default_factory=Placement, description="How the run is carried out.")

    @model_validator(mode="before")
    @classmethod
    def _is_of_this_layout(cls, values: Any) -> Any:
        """Tell fields of an older layout where they moved, whichever way the config came; expand the protocol."""
        if isinstance(values, dict) and (told := moved(values)):
            raise ValueError(f"the config has fields of an older layout: {told} (lens run --show)")
        defaults = {name: field.get_default(call_default_factory=True) for name, field in cls.model_fields.items()}
        return expanded(values, defaults) if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _models_differ(self) -> "RunConfig":
        labels = [m.label for m in self.models]
        if len(set(labels)) < len(labels):
            raise ValueError(f"model and compare_with name a model twice: {', '.join(labels)}; give one an alias")
        return self

    @property
    def models(self) -> tuple[ModelSettings, ...]:
        """The model studied, then those that it is compared with."""
        return (self.model, *self.compare_with)

    def section(self, path: str) -> Any:
        """Return a section by its dotted path, e.g. ``adaptations.realign``."""
        return reduce(getattr, path.split("."), self)

    def saes(self, model: ModelFacts) -> list[Any]:
        """Return the settings of the autoencoders of a model: those for token states, or for vectors without any."""
        states = "tokens" if model.has_tokens else "vectors"
        return [sae for sae in self.section(SAES) if sae.states == states]

    def repeated(self, repetition: int) -> "RunConfig":
        """Return the config of a repetition: every seed of a section raised by its number."""
        raised = {name: _raised(getattr(self, name), repetition) for name in type(self).model_fields}
        return self.model_copy(update=raised)


def _raised(value: Any, repetition: int) -> Any:
    if isinstance(value, tuple):
        return tuple(_raised(one, repetition) for one in value)
    if not isinstance(value, Section) or _SEED not in type(value).model_fields:
        return value
    return value.model_copy(update={_SEED: getattr(value, _SEED) + repetition})


def _fields() -> dict[str, Any]:
    own = {
        s.name: (s.settings, Field(default_factory=s.default, description=s.about))
        for s in STAGES.values()
        if s.settings
    }
    shared = {name: (kind, Field(default_factory=kind)) for name, kind in SHARED.items()}
    return own | shared


if TYPE_CHECKING:
    AnalysisConfig = RunConfig
else:
    AnalysisConfig = create_model(
        "AnalysisConfig",
        __base__=RunConfig,
        __module__=__name__,
        __doc__="Everything that decides a result.",
        **_fields(),
    )


def load_config(
    preset: str | Sequence[str] | None = None, file: Path | None = None, settings: tuple[str, ...] = ()
) -> RunConfig:
    """Build a config from presets, then a YAML file, then ``section.field=value`` settings (values are YAML).

    What comes later wins, field by field.

    Raises:
        ConfigError: an unknown preset, an unreadable file, an unknown field, a wrong type or an impossible combination.
    """
    values: dict[str, Any] = {}
    for name in [preset] if isinstance(preset, str) else preset or ():
        if name not in preset_names():
            raise ConfigError(f"there is no preset {name!r}", f"choose one of: {', '.join(preset_names())}")
        values = _merged(values, _read_yaml(PRESETS / f"{name}.yaml"))
    if file is not None:
        values = _merged(values, _read_yaml(file))
    for setting in settings:
        _apply(values, setting)
    return parse_config(values)


def parse_config(values: dict[str, Any]) -> RunConfig:
    """Validate a nested dictionary.

    Raises:
        ConfigError: naming the first wrong field, its value and what would be accepted; or, in one line, every field of
            an older layout and where it moved.
    """
    try:
        return AnalysisConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(*_explain(error)) from None


def _merged(values: Any, later: Any) -> Any:
    if not isinstance(values, dict) or not isinstance(later, dict):
        return later
    return values | {name: _merged(values.get(name), value) for name, value in later.items()}


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_FILE + 1)  # a device may have no end
        if len(data) > _LARGEST_FILE:
            raise ConfigError(f"the config file {path} has more than {_LARGEST_FILE >> 20} MB", "give a YAML file")
        values = yaml.safe_load(data.decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the config file {path} cannot be read: {error}", "give a YAML file") from None
    except _NO_YAML as error:
        place = ""
        if isinstance(error, yaml.MarkedYAMLError) and (mark := error.problem_mark):
            place = f", line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
        raise ConfigError(f"the config file {path} is not YAML{place}", "correct it") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(
            f"the config file {path} holds no mapping", "write sections such as 'scoring:' with fields below them"
        )
    return values


def _apply(values: dict[str, Any], setting: str) -> None:
    path, equals, text = setting.partition("=")
    if not equals or not path:
        raise ConfigError(
            f"the setting {setting!r} is not of the form section.field=value", "for example scoring.seed=1"
        )
    unquoted = bool(text) and text[0] not in "'\""
    try:
        # YAML sees comments, dates and numbers in what is a folder called D #2, 2024-01-02 or 0x10, or nothing at all.
        as_typed = unquoted and path.endswith(_PATH) and text != "null"
        value = text if as_typed else yaml.safe_load(text)
    except _NO_YAML:
        raise ConfigError(f"the value of the setting {setting!r} is not YAML", _EXAMPLE) from None
    if unquoted and isinstance(value, str) and " #" in text:
        value = text
    first, *rest = path.split(".")
    if rest and first not in values and _is_list(first):
        values[first] = AnalysisConfig().model_dump(mode="json", by_alias=True, include={first})[first]
    _set(values, [first, *rest], value, setting)


def _set(values: Any, path: list[str], value: Any, setting: str) -> None:
    """Set a field; below a list, that of the element with the index or name given, or of every element."""
    field, *rest = path
    if isinstance(values, list):
        named = [one for n, one in enumerate(values) if isinstance(one, dict) and field in (str(n), one.get("name"))]
        if not values:
            raise ConfigError(f"the setting {setting!r} goes below an empty list", "give the list itself")
        if field.isdigit() and not named:
            raise ConfigError(
                f"the setting {setting!r} goes to element {field}, and there are {len(values)}", "count them from 0"
            )
        if named and not rest:
            raise ConfigError(
                f"the setting {setting!r} names a whole element of a list", "name a field of it, or give the list"
            )
        for one in named or values:
            _set(one, rest if named else path, value, setting)
        return
    if not isinstance(values, dict):
        place = setting.partition("=")[0].rpartition(f".{field}")[0]
        raise ConfigError(
            f"the setting {setting!r} goes below {place!r}, which is a plain value", "see lens run --show"
        )
    if rest:
        _set(values.setdefault(field, {}), rest, value, setting)
    else:
        values[field] = value


def _is_list(section: str) -> bool:
    field = AnalysisConfig.model_fields.get(section)
    return field is not None and isinstance(field.get_default(call_default_factory=True), tuple)


def _explain(error: ValidationError) -> tuple[str, str]:
    place, message, first = explained(error)
    if first["type"] == "extra_forbidden":
        known = sorted(_known(first["loc"][:-1]))
        return f"the config has no field {place}", f"known here: {', '.join(known)}" if known else "remove it"
    given = "" if first["type"] in ("value_error", "missing") else f" (given: {first['input']!r})"
    return f"{place}: {message}{given}" if place else message, "correct it and run again"


def _known(place: tuple[str | int, ...]) -> set[str]:
    """Return the fields of the section at a place of the default config, as far as it can be told."""
    section: Any = AnalysisConfig()
    for part in place:
        if isinstance(section, tuple):
            section = section[part] if isinstance(part, int) and part < len(section) else None
        elif hasattr(section, str(part)):
            section = getattr(section, str(part))
    return set(type(section).model_fields) if isinstance(section, Section) else set()
