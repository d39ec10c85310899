"""Settings of autoencoders: a list, each trained here or brought from elsewhere."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    SerializeAsAny,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)

from pipeline_core.sae.architectures import SaeSettings, trained
from pipeline_core.sae.architectures._kind import NAME_PATTERN, States
from pipeline_core.settings import Count, Section

__all__ = ["DEFAULT_SAES", "AnySae", "BroughtSae", "SaeSettings", "Saes"]

_SOURCE = "from"


class BroughtSae(Section):
    """An autoencoder that was trained elsewhere."""

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    # Its files' digest is in the key, wherever they lie.
    unkeyed: ClassVar[frozenset[str]] = frozenset({"source"})

    source: str = Field(alias=_SOURCE, min_length=1, description="File or folder in a known checkpoint format.")
    name: str = Field(
        pattern=NAME_PATTERN,
        description="Second half of the sae_id, <model>/<name>; by default the name of the file or folder.",
    )
    k: Count | None = Field(None, description="Active features a vector, for formats that do not say.")
    states: States = Field(
        "tokens", description="Models it is for: those with token states, or those that give one vector a sample."
    )

    @model_validator(mode="before")
    @classmethod
    def _named_as_its_file(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or values.get("name") is not None:
            return values
        path = _absolute(str(values.get(_SOURCE, values.get("source", ""))))
        name = path.stem if path.is_file() else path.name
        return {**values, "name": re.sub(r"[^\w.+-]", "-", name).lstrip(".+-")}

    @field_validator("source")
    @classmethod
    def _found_from_anywhere(cls, source: str) -> str:
        return str(_absolute(source))


def _absolute(source: str) -> Path:
    # Not resolved: a hub's cache links readable names to files that are called as their digests.
    try:
        return Path(source).expanduser().absolute()
    except (RuntimeError, OSError) as error:
        raise ValueError(f"{source} is no path: {error}") from None


def _choose(value: Any, handler: ValidatorFunctionWrapHandler) -> SaeSettings | BroughtSae:
    """Validate one element of the list: as brought, if it says from where, else as its architecture's settings."""
    if isinstance(value, BroughtSae):
        return value
    given = value.model_dump() if isinstance(value, SaeSettings) else value
    if not isinstance(given, Mapping):
        raise ValueError("an autoencoder is a mapping, {name: NAME, ...} or {from: PATH}")
    kind = BroughtSae if _SOURCE in given else _settings_of(given)
    known = {field.alias or name for name, field in kind.model_fields.items()}
    for name in given:
        if name not in known:
            whole = "; one that is brought stands alone, {from: PATH}" if kind is BroughtSae else ""
            raise ValueError(f"there is no field {name!r}; known here: {', '.join(sorted(known))}{whole}")
    return kind.model_validate(given)


def _settings_of(given: Mapping[str, Any]) -> type[SaeSettings]:
    return trained(str(given.get("architecture", SaeSettings.model_fields["architecture"].default))).settings


def _names_differ(saes: tuple[SaeSettings | BroughtSae, ...]) -> tuple[SaeSettings | BroughtSae, ...]:
    names = [(sae.states, sae.name) for sae in saes]
    for states, name in names:
        if names.count((states, name)) > 1:
            raise ValueError(f"two autoencoders for {states} have the name {name!r}")
    return saes


AnySae = Annotated[SerializeAsAny[SaeSettings | BroughtSae], WrapValidator(_choose)]
"""Settings of one autoencoder: ``{from: PATH}`` is brought, anything else is trained here."""

Saes = Annotated[tuple[AnySae, ...], AfterValidator(_names_differ)]
"""Settings of all autoencoders of an analysis, which may do without; names differ among those for the same states."""

DEFAULT_SAES: tuple[SaeSettings | BroughtSae, ...] = TypeAdapter(Saes).validate_python(
    (
        {"name": "paper"},
        {"name": "centred", "centred": True},
        {"name": "paper", "states": "vectors", "features": 1024, "epochs": 60, "batch_size": 256},
    )
)
"""The paper's and a centred one on token states; on final embeddings, far fewer than tokens, a smaller one."""
