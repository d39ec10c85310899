"""A protocol: settings that belong together, expanded into the sections that they are of; what is given itself stays.

``paper`` is that of Feng et al. 2025 (arXiv 2512.19115) as its code was released. Keys hold the single settings, so
that what both protocols do alike is computed once.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from pipeline_core.settings import Section

OWN = "own"

_OF_MODELS: Mapping[str, Any] = {
    "dtype": "float16",
    "rendering": "released",
    "hidden_state": "released",
    "text_picture": "released",
}

_PROTOCOLS: Mapping[str, Mapping[str, Any]] = {
    "paper": {
        "dataset": {"unanswered": "asked"},
        "model": _OF_MODELS,
        "compare_with": _OF_MODELS,
        "activations": {"layer": None},
        "representation": {"mask": "all"},
        # The released ReAlign, of normalised vectors and of the test queries, is among the systems of every analysis.
        "adaptations": {"realign": {"beta": 0.1, "eps": 1e-5}},
        "scoring": {"ks": [1, 5, 10], "denominator": "all"},
    }
}


class ProtocolSettings(Section):
    """Settings that belong together; in a config the name alone is enough."""

    name: Literal["own", "paper"] = Field(
        "own",
        description="paper: what its released code does where it differs, unless a setting is given itself; own: "
        "defaults.",
    )
    deviations: tuple[str, ...] = Field((), description="Settings that were given otherwise; found out, not set.")

    @property
    def told(self) -> str:
        """The protocol in one line."""
        return f"protocol: {self.name}" + "".join(f"; but {deviation}" for deviation in self.deviations)


def expanded(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a config with those of its protocol, but where they are given.

    Args:
        values: of a config, before they are looked at.
        defaults: what stands for sections that are lists and are not given.
    """
    given = values.get("protocol")
    name = given.get("name", OWN) if isinstance(given, Mapping) else getattr(given, "name", given)
    if not isinstance(name, str) or name not in _PROTOCOLS:
        return {**values, "protocol": {"name": given}} if isinstance(given, str) else dict(values)
    deviations: list[str] = []
    made = dict(values)
    for section, wanted in _PROTOCOLS[name].items():
        found = made.get(section, defaults.get(section))
        if isinstance(found, list | tuple):
            made[section] = [_filled(one, wanted, f"{section}.{n}", deviations) for n, one in enumerate(found)]
        else:
            made[section] = _filled(found, wanted, section, deviations)
    return {**made, "protocol": {"name": name, "deviations": deviations}}


def _filled(section: Any, wanted: Mapping[str, Any], place: str, deviations: list[str]) -> Any:
    if isinstance(section, Section):
        section = section.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if not isinstance(section, Mapping | None):
        return section  # what is wrong with it is told when it is looked at
    filled = dict(section or {})
    for field, value in wanted.items():
        if isinstance(value, Mapping):
            filled[field] = _filled(filled.get(field), value, f"{place}.{field}", deviations)
        elif not _is(filled.setdefault(field, value), value):
            deviations.append(f"{place}.{field} is {filled[field]} and not {value}")
    return filled


def _is(given: Any, wanted: Any) -> bool:
    if isinstance(wanted, float) and isinstance(given, str | int):  # YAML takes 1e-5 for a text
        try:
            return float(given) == wanted
        except ValueError:
            return False
    return bool((list(given) if isinstance(given, tuple) else given) == wanted)
