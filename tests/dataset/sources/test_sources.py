"""The section ``dataset`` of the config: one type of settings a source, told apart by name, wrong ones in one line."""

import subprocess
import sys
from datetime import date, datetime
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline_core.dataset.build import build_dataset, source_identity
from pipeline_core.dataset.settings import DatasetSettings
from pipeline_core.dataset.sources import DEFAULT, SOURCES, dataset_settings_type
from pipeline_core.dataset.sources.emoji import EmojiSettings
from pipeline_core.dataset.sources.folder import FolderSettings
from pipeline_core.errors import ConfigError

section: TypeAdapter[DatasetSettings] = TypeAdapter(dataset_settings_type())


def refusal(value: object) -> str:
    with pytest.raises(ValidationError) as error:
        section.validate_python(value)
    (only,) = error.value.errors()
    assert "\n" not in only["msg"]
    return only["msg"].removeprefix("Value error, ")


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_says_what_it_is(name: str) -> None:
    source = SOURCES[name]
    assert source.name == name
    assert source.settings.model_fields["name"].default == name
    assert source.description.endswith(".") and "\n" not in source.description
    assert all(field.description for field in source.settings.model_fields.values())
    assert DatasetSettings.model_fields.keys() <= source.settings.model_fields.keys()


def test_a_section_without_a_name_is_the_default_s() -> None:
    assert section.validate_python({"seed": 3}) == EmojiSettings(seed=3)
    assert section.validate_python({}).name == DEFAULT
    assert section.validate_python(FolderSettings(path=Path("x"))) == FolderSettings(path=Path("x"))


def test_settings_survive_json() -> None:
    for settings in (EmojiSettings(max_edits=None), FolderSettings(path=Path("~/pictures"), seed=2)):
        assert section.validate_json(settings.model_dump_json()) == settings
        assert section.validate_python(settings.model_dump(mode="json")) == settings


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (
            {"path": "x"},
            "dataset.path is not for the data set emoji; leave it out, or set dataset.name=class_folders or "
            "coco_caption or folder or huggingface or mbeir or webdataset",
        ),
        ({"name": "folder", "path": "x", "max_edits": 3}, "dataset.max_edits is not for the data set folder; leave it"),
        ({"name": "imagenet"}, f"there is no data set 'imagenet'; dataset.name may be {' or '.join(SOURCES)}"),
        ({"name": 7}, "there is no data set 7"),
        ({"name": ["emoji"]}, "there is no data set ['emoji']"),
        ({"name": None}, "there is no data set None"),
        ({"name": "folder"}, "dataset.path is not set; set dataset.path to the folder"),
        ({"name": "folder", "path": None}, "dataset.path is not set"),
        ({"name": "folder", "path": ""}, "it is empty"),
        ({"name": "folder", "path": True}, "it reads as true; put the folder's name in quotes"),
        ({"name": "folder", "path": ["a", "b"]}, "not a valid path"),
        ({"name": "folder", "path": "~nobody-of-that-name/x"}, "is no path"),
        ({"name": "folder", "path": "a\0b"}, "is no path"),
        ({"name": "folder", "path": "x", "pth": "y"}, "not permitted"),
        ({"seeds": 1}, "not permitted"),
        ({"max_quarantine_share": 1.5}, "less than or equal to 1"),
        ({"seed": -1}, "greater than or equal to 0"),
        ("folder", "valid dictionary"),
    ],
)
def test_what_is_wrong_is_one_line(value: object, words: str) -> None:
    assert words in refusal(value)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (date(2024, 1, 1), "2024-01-01"),
        (datetime(2024, 1, 1, 10, 30), "2024-01-01 10:30:00"),
        (123, "123"),
        (1.5, "1.5"),
        ("2024-01-01", "2024-01-01"),
    ],
)
def test_a_path_that_looks_like_a_date_or_a_number_is_text(value: object, name: str) -> None:
    assert section.validate_python({"name": "folder", "path": value}) == FolderSettings(path=Path(name))


def test_a_path_is_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    spelt = (tmp_path / "real", "real", "./real", "real/../real", "~/real", "link")
    assert {FolderSettings(path=Path(path)).path for path in spelt} == {tmp_path / "real"}


def test_an_unknown_data_set_is_refused_in_one_line(tmp_path: Path) -> None:
    words = f"^there is no data set 'emojis'; dataset.name may be {' or '.join(SOURCES)}$"
    with pytest.raises(ConfigError, match=words):
        build_dataset(DatasetSettings(name="emojis"), tmp_path)
    with pytest.raises(ConfigError, match=words):
        source_identity(DatasetSettings(name="emojis"))


def test_settings_import_nothing_heavy() -> None:
    script = (
        "import sys; from pipeline_core.dataset.sources import dataset_settings_type; dataset_settings_type(); "
        "print(*sorted({'PIL', 'scipy', 'polars', 'numpy', 'pyarrow', 'torch'} & sys.modules.keys()))"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""
