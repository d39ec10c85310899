"""Folders of classes read as a data set: a class is one text, asked for and found once, whatever its pictures are.

Where splits are drawn, a class is a group: no picture of a class that was trained on is scored. Where folders give the
splits, a class is in each of them a text of its own.
"""

from collections.abc import Iterator
from pathlib import Path

from pipeline_core.dataset.captions import Caption, captioned_data, split_of
from pipeline_core.dataset.files import PICTURE_ENDINGS, identify, named_in_utf8
from pipeline_core.dataset.places import Place
from pipeline_core.dataset.sources.class_folders import ClassSettings
from pipeline_core.dataset.tables import Dataset
from pipeline_core.errors import DataError


def identity(root: Path, _settings: ClassSettings) -> str:
    """Return a digest of the pictures and their folders.

    Raises:
        DataError: there are none, or one cannot be read.
    """
    return identify(root, [], [file.relative_to(root).as_posix() for file in _pictures(root)])


def read(root: Path, settings: ClassSettings) -> Dataset:
    """Read the pictures of all folders.

    Raises:
        DataError: there are none, they lie at different depths, too many are bad, or nothing is asked.
    """
    return captioned_data(root, _captions(root, settings), settings)


def _pictures(root: Path) -> list[Path]:
    pictures = (file for file in root.rglob("*") if file.suffix.lower() in PICTURE_ENDINGS and file.is_file())
    found = named_in_utf8(root, pictures)
    if not found:
        raise DataError(f"{root} has no pictures", "put them into a folder for each class")
    return found


def _captions(root: Path, settings: ClassSettings) -> Iterator[Caption]:
    for file in _pictures(root):
        name = file.relative_to(root).as_posix()
        *folders, called = name.split("/")[:-1] if "/" in name else [""]
        split = split_of(folders[0], settings.splits) if folders else split_of("", settings.splits)
        if not called or len(folders) > 1:
            raise DataError(f"{root / name} lies in no folder of a class", "put it at <class>/ or <split>/<class>/")
        group = None if split else called
        text_name = f"{split}/{called}" if split else called
        yield Caption(name, name, Place(file), called.replace("_", " ").strip(), split, group, text_name)
