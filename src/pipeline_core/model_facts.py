"""What a plan knows of a model before it is loaded."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = Literal["generative", "contrastive"]
OwnPooling = Literal["mean", "last"]

HiddenState = Literal["normed", "released"]
"""What the last layer's states are. normed: after the final norm; released: what the paper's code takes, which is
before that norm in some families."""

TextPicture = Literal["none", "released"]
"""What a text alone is shown with. none: nothing; released: a black picture, in families that the paper's code gives
one."""

Rendering = Literal["released", "generation"]
"""How a prompt ends. released: with the user's turn, a blank after the instruction, as the paper's code was released;
generation: where the model's answer would begin."""


class Place(NamedTuple):
    """Where a checkpoint is: an absolute folder, or a name on the hub and its commit."""

    name: str
    commit: str | None


@dataclass(frozen=True)
class ModelFacts:
    """What planning, loading and reporting need to know of a model.

    Attributes:
        name: the model in every table: its alias in the settings, or its name there.
        family: the family that loads it.
        kind: generative or contrastive, for display.
        has_tokens: it gives token states, hence layers, poolings, masks and attention.
        prompts: it follows instructions; others embed a sample once, under the prompt ``none``.
        identity: what keys know it by: the digest of a reference model's parts or of a local folder's files, or name
            and commit of a model from the hub.
        place: what it is loaded from: an absolute folder, or its name; of a low-rank adapter, its base model.
        revision: the commit of a model from the hub, so that what is planned and what is loaded hours later are the
            same although a branch may have moved.
        dtype: precision of the forward pass.
        attention: attention implementation that it runs with.
        rendering: how its prompts end; the default where the setting concerns none of its prompts.
        hidden_state: what its last layer's states are.
        text_picture: what a text alone is shown with.
        pooling: how it is pooled where the settings leave that open: embedders by their last token.
        adapter: the low-rank adapter that is merged into it, if it is one.
        max_tokens: most tokens of a text, if its settings say so.
    """

    name: str
    family: str
    kind: Kind
    has_tokens: bool
    prompts: bool
    identity: str
    place: str
    revision: str | None
    dtype: str
    attention: str
    rendering: Rendering
    pooling: OwnPooling
    adapter: Place | None = None
    max_tokens: int | None = None
    hidden_state: HiddenState = "normed"
    text_picture: TextPicture = "none"
