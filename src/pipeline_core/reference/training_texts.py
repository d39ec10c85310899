"""What training says of a picture: instructions and the captions that answer them, drawn from name and keywords."""

from typing import NamedTuple

import numpy as np

from pipeline_core.reference.training_pictures import NamedPicture

NAMING = (
    "What is this?",
    "Name this emoji.",
    "What does the picture show?",
    "Give this picture a short name.",
    "Which emoji is this?",
)
"""Instructions that the name answers."""

DESCRIBING = ("Describe the picture.", "Write a caption for this picture.", "Describe the image in a few words.")
"""Instructions that a short sentence answers."""

LISTING = ("List keywords for this picture.", "Which words fit this picture?", "Tag this image.")
"""Instructions that keywords answer."""

SENTENCES = ("an emoji of {}", "a picture of {}", "a drawing of {}", "this is {}")

_MOST_KEYWORDS = 4


class Exchange(NamedTuple):
    """One instruction about a picture and its answer."""

    instruction: str
    caption: str


def naming_exchange(picture: NamedPicture) -> Exchange:
    """Return the fixed exchange on which held-out caption losses are measured."""
    return Exchange(NAMING[0], picture.name)


def draw_exchange(picture: NamedPicture, generator: np.random.Generator) -> Exchange:
    """Draw an exchange: the name (a half), a sentence with it (a fifth), or a few keywords in random order."""
    draw = generator.random()
    if draw < 0.3 and picture.keywords:
        words = generator.permutation(picture.keywords)[:_MOST_KEYWORDS]
        return Exchange(str(generator.choice(LISTING)), ", ".join(words))
    if draw < 0.5:
        return Exchange(str(generator.choice(DESCRIBING)), str(generator.choice(SENTENCES)).format(picture.name))
    return Exchange(str(generator.choice(NAMING)), picture.name)
