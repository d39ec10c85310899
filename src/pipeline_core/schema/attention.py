"""Tables of attention over chosen samples."""

import pyarrow as pa

from pipeline_core.schema.model import DOUBLE, MODEL, PROMPT, SAMPLE, SMALL, STRING, Column, Table, column

LAYER = column("layer", SMALL, "decoder layer, from 1")
SOURCE = column(
    "source",
    STRING,
    "whose attention: last (the last token) | pooled (mean over all of the sample's tokens, as in a mean embedding)",
)
KEY = ("model", "sample_id", "prompt_id", "layer")


def _head(meaning: str) -> Column:
    return column("head", SMALL, meaning)


TABLES: tuple[Table, ...] = (
    Table(
        "attention_mass",
        "attention",
        "Attention mass from each layer and head to tokens of each role; the four masses of a head sum to 1.",
        (*KEY, "head", "source", "role"),
        (
            MODEL,
            SAMPLE,
            PROMPT,
            LAYER,
            _head("attention head, from 0"),
            SOURCE,
            column("role", STRING, "image | text | prompt | template, the system's turn included"),
            column("mass", DOUBLE, "share of the attention, 0 to 1"),
        ),
    ),
    Table(
        "attention_maps",
        "attention",
        "Attention to the image tokens, laid over the picture's grid; mean over heads.",
        (*KEY, "source"),
        (
            MODEL,
            SAMPLE,
            PROMPT,
            LAYER,
            SOURCE,
            column("grid_h", SMALL, "rows of image tokens"),
            column("grid_w", SMALL, "columns of image tokens"),
            column(
                "region",
                pa.list_(pa.float32()),
                "left, top, right, bottom of the grid as shares of the picture's width and height; the model may crop",
            ),
            column("mass", DOUBLE, "share of all attention that goes to image tokens, 0 to 1"),
            column("weights", pa.list_(pa.float32()), "attention to each image token, row by row, scaled to sum to 1"),
        ),
    ),
    Table(
        "attention_quadrants",
        "attention",
        "Attention to the quadrant that the art was pasted in, beside a shuffled-picture control.",
        (*KEY, "source"),
        (
            MODEL,
            SAMPLE,
            PROMPT,
            LAYER,
            SOURCE,
            column("quadrant", STRING, "where the art is: upper_left | upper_right | lower_left | lower_right"),
            column("mass", DOUBLE, "share of the attention to image tokens that goes to that quadrant; chance is 0.25"),
            column("control", DOUBLE, "the same share under shuffled pictures, their art in each quadrant as often"),
            column("art", DOUBLE, "share of all attention that goes to the quadrant with the art"),
            column("words", DOUBLE, "share of all attention that goes to the user's words: the instruction"),
        ),
    ),
)
