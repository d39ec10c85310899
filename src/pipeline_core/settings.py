"""What every part of the config is made of."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline_core.model_facts import ModelFacts

_WORDS = {
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be a text",
    "tuple_type": "must be a list",
    "model_type": "must be a section with fields",
    "model_attributes_type": "must be a section with fields",
    "missing": "must be given",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be {ge:g} or more",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be {le:g} or less",
    "literal_error": "must be {expected}",
    "too_short": "must have at least {min_length}",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must match {pattern}",
}
"""What pydantic's kinds of errors mean, by their types."""

Share = Annotated[float, Field(gt=0.0, lt=1.0)]
"""A part of a whole, neither nothing nor all of it."""

Unit = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A frozen part of the config; unknown fields are refused.

    ``of_tokens``: only what is made of token states depends on it, so that it is in no key of a model without them.
    ``unkeyed``: fields that lead to what a key holds a digest of, and are in no key themselves.
    ``tolerance``: fields that say what is put up with. They change no result, so they are in no key either; an artifact
    that was accepted under others is judged anew, by its contracts, which are told them.
    """

    of_tokens: ClassVar[bool] = False
    unkeyed: ClassVar[frozenset[str]] = frozenset()
    tolerance: ClassVar[frozenset[str]] = frozenset()
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @property
    def own_data(self) -> "Section | None":
        """The data set that its stage reads in place of the one analysed; None: it reads that one."""
        return None

    def for_data(self, data: "Section") -> "Section":
        """Return the section as it stands for data that are read in place of those analysed."""
        return self

    def of_model(self, facts: ModelFacts) -> Self:
        """Return the section as it stands for a model: what it leaves to the model told."""
        return self

    @model_validator(mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, values: Any) -> Any:
        if isinstance(values, Mapping):
            for name, field in cls.model_fields.items():
                kinds = (field.annotation, *get_args(field.annotation))
                numbers = {int, float} & {getattr(kind, "__origin__", kind) for kind in kinds}
                if isinstance(values.get(name), bool) and numbers:
                    raise ValueError(f"{name} must be a number, not true or false")
        return values

    @model_validator(mode="after")
    def _values_differ(self) -> Self:
        for name in type(self).model_fields:
            values = getattr(self, name)
            if isinstance(values, tuple) and all(isinstance(value, int | float | str) for value in values):
                twice = next((value for n, value in enumerate(values) if value in values[:n]), None)
                if twice is not None:
                    raise ValueError(f"{name} has {twice} twice; give each value once")
        return self


def explained(error: ValidationError) -> tuple[str, str, Mapping[str, Any]]:
    """Return where the first mistake is, what is wrong in plain words, and pydantic's own account of it."""
    first = error.errors(include_url=False)[0]
    words = _WORDS.get(first["type"])
    message = words.format_map(first.get("ctx", {})) if words else first["msg"].removeprefix("Value error, ")
    return ".".join(map(str, first["loc"])), message, cast(Mapping[str, Any], first)
