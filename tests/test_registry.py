"""Members come from the package and from entry points alike, and are imported when they are used."""

import sys
from pathlib import Path

import pytest

from pipeline_core.doctor import examine
from pipeline_core.errors import ConfigError, LensError
from pipeline_core.registry import Registry


class Fruit:
    def __init__(self, name: str) -> None:
        self.name = name


@pytest.fixture
def kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    package = tmp_path / "fruits"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "_shared.py").write_text("raise AssertionError('no member')")
    for name in ("apple", "pear"):
        (package / f"{name}.py").write_text(f"from {__name__} import Fruit\nMEMBER = Fruit({name!r})\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for module in [name for name in sys.modules if name.partition(".")[0] in ("fruits", "orchard")]:
        del sys.modules[module]


def _distribution(folder: Path, **entries: str) -> None:
    info = folder / "orchard-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: orchard\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in entries.items()]
    (info / "entry_points.txt").write_text("\n".join(["[retrieval_lens.fruit]", *lines]) + "\n")


def test_members_are_the_modules_of_the_package(kinds: Path) -> None:
    registry: Registry[Fruit] = Registry("fruit", "fruits")
    assert list(registry) == ["apple", "pear"]
    assert len(registry) == 2
    assert "fruits.pear" not in sys.modules
    assert registry["pear"].name == "pear"
    assert "fruits.apple" not in sys.modules


def test_members_from_outside_follow(kinds: Path) -> None:
    (kinds / "orchard.py").write_text(f"from {__name__} import Fruit\nMEMBER = Fruit('fig')\n")
    _distribution(kinds, fig="orchard:MEMBER")
    registry: Registry[Fruit] = Registry("fruit", "fruits")
    assert list(registry) == ["apple", "pear", "fig"]
    assert registry["fig"].name == "fig"


def test_an_unknown_name_names_the_setting_and_what_it_may_be(kinds: Path) -> None:
    registry: Registry[Fruit] = Registry("fruit", "fruits")
    with pytest.raises(ConfigError, match=r"there is no fruit 'plum'; basket.fruit may be apple or pear"):
        registry.find("plum", "basket.fruit")


@pytest.mark.parametrize("written", ["from orchard.shapes import ROUND", "from .shapes import ROUND"])
def test_what_a_member_imports_of_its_own_package_is_its_identity_and_nothing_else_is(
    kinds: Path, written: str
) -> None:
    package = kinds / "orchard"
    package.mkdir()
    texts = {
        "__init__": "",
        "fig": f"from {__name__} import Fruit\n{written}\nMEMBER = Fruit('fig')\n",
        "shapes": "import os\nfrom orchard import colours\nROUND = colours.RED\n",
        "colours": "RED = 1\n",
        "others": "",
    }
    for name, text in texts.items():
        (package / f"{name}.py").write_text(text)
    _distribution(kinds, fig="orchard.fig:MEMBER")
    registry: Registry[Fruit] = Registry("fruit", "fruits")
    first, changed = registry.identity(), {}
    for name, text in texts.items():
        (package / f"{name}.py").write_text(text + "# changed")
        changed[name] = registry.identity() != first
        (package / f"{name}.py").write_text(text)
    assert "orchard" not in sys.modules
    assert changed == {"__init__": True, "fig": True, "shapes": True, "colours": True, "others": False}


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"fig": "nowhere:MEMBER"}, "the fruit 'fig' of orchard cannot be loaded"),
        ({"fig": "fruits.pear:MEMBER"}, "calls itself 'pear'"),
        ({"pear": "fruits.pear:MEMBER"}, "of the group retrieval_lens.fruit has a name of this package"),
    ],
)
def test_a_bad_member_from_outside_is_named(kinds: Path, entries: dict[str, str], message: str) -> None:
    _distribution(kinds, **entries)
    registry: Registry[Fruit] = Registry("fruit", "fruits")
    with pytest.raises(LensError, match=message):
        [registry[name] for name in registry]


def test_the_doctor_names_what_cannot_be_loaded(kinds: Path) -> None:
    _distribution(kinds, fig="nowhere:MEMBER")
    (check,) = (check for check in examine(kinds / "store") if check.name == "fruit fig")
    assert not check.ok
    assert "the fruit 'fig' of orchard cannot be loaded" in check.found
