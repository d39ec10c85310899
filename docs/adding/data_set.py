"""How to add a data set: pictures of coloured shapes, drawn here, with their names.

A source owns its settings (a section told apart by `name`), the identity of its data, and reading: samples with groups
and splits, matched pairs, tasks with queries and pools. Whole groups are split, so that nothing leaks between splits.
"""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline_core.dataset.settings import DatasetSettings
from pipeline_core.settings import Count

if TYPE_CHECKING:
    from pipeline_core.dataset.tables import Dataset

COLOURS = ("red", "orange", "gold", "green", "teal", "blue", "purple", "pink", "brown", "black")
FORMS = ("square", "circle", "bar", "cross", "frame")


class ShapeSettings(DatasetSettings):
    """Coloured shapes."""

    name: Literal["shapes"] = Field("shapes", description="Coloured shapes, drawn when they are needed.")
    size: Count = Field(48, description="Side of a picture, pixels.")


class Shapes:
    """Fifty pictures, one name each."""

    name = "shapes"
    description = "Fifty coloured shapes with their names."
    credit = None
    settings = ShapeSettings

    def identity(self, settings: ShapeSettings) -> str:
        """Return what the pictures depend on beside the settings: this drawing, in its version."""
        return "shapes 1"

    def read(self, settings: ShapeSettings) -> "Dataset":
        """Draw, screen, split by shape, and set text to picture and picture to text."""
        from pipeline_core.dataset import prompts
        from pipeline_core.dataset.places import Place
        from pipeline_core.dataset.screening import Row, screen
        from pipeline_core.dataset.splits import Group, assign_splits
        from pipeline_core.dataset.tables import Dataset
        from pipeline_core.dataset.tasks import EVALUATED_SPLITS, Query, Sample, Task, judge_equal_content_equally

        names = [f"{colour} {form}" for form in FORMS for colour in COLOURS]
        folder = Path(tempfile.mkdtemp())
        rows = [Row(name, name, Place(draw(folder, name, settings.size)), name) for name in names]
        screened = screen(rows, settings.max_quarantine_share)
        splits = assign_splits((Group(row.key, "", 1) for row in screened.rows), settings.seed)
        samples: dict[str, Sample] = {}
        pairs = []
        for row in screened.rows:
            split = splits[row.key]
            picture = Sample(f"image:{row.key}", None, screened.pictures[row.picture], row.key, split)
            text = Sample(f"text:{row.key}", row.text, None, row.key, split)
            samples |= {picture.sample_id: picture, text.sample_id: text}
            pairs.append((picture.sample_id, text.sample_id))

        def task(task_id: str, asking: Literal["text", "image"], asked: Literal["text", "image"]) -> Task:
            known = {"text": prompts.TEXT, "image": prompts.IMAGE}
            found = [pair if asking == "image" else pair[::-1] for pair in pairs]
            queries = [
                Query(query, query, samples[query].split, {answer: 1})
                for query, answer in found
                if samples[query].split in EVALUATED_SPLITS
            ]
            pools = {
                split: tuple(answer for _, answer in found if samples[answer].split == split)
                for split in EVALUATED_SPLITS
            }
            title = f"{asking} to {asked}, among shapes."
            made = Task(task_id, asking, asked, known[asking], known[asked], title, tuple(queries), pools)
            return judge_equal_content_equally(made, samples)

        # Without a root, the stage copies the pictures into its artifact; the folder is then of no more use.
        tasks = (task("t2i", "text", "image"), task("i2t", "image", "text"))
        return Dataset(tuple(samples.values()), tuple(pairs), tasks, screened.quarantine, root=None)


def draw(folder: Path, name: str, size: int) -> Path:
    """Draw a shape on white, and return its file."""
    from PIL import Image, ImageDraw

    colour, form = name.split()
    picture = Image.new("RGB", (size, size), "white")
    pen, inner = ImageDraw.Draw(picture), (size // 4, size // 4, 3 * size // 4, 3 * size // 4)
    if form == "circle":
        pen.ellipse(inner, fill=colour)
    elif form == "frame":
        pen.rectangle(inner, outline=colour, width=size // 12)
    elif form == "cross":
        pen.line((inner[0], inner[1], inner[2], inner[3]), fill=colour, width=size // 8)
        pen.line((inner[0], inner[3], inner[2], inner[1]), fill=colour, width=size // 8)
    else:
        pen.rectangle(
            inner if form == "square" else (inner[0], size // 2, inner[2], size // 2 + size // 8), fill=colour
        )
    path = folder / f"{colour}-{form}.png"
    picture.save(path)
    return path


MEMBER = Shapes()
