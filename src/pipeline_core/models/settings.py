"""Which model, and what decides the vectors that it gives; the device is none of it."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from pipeline_core.model_facts import HiddenState, Rendering, TextPicture
from pipeline_core.settings import Count, Section


def _one_spelling(name: str) -> str:
    """Tell a folder by where it is, not by where the command was started or how its path was spelt."""
    with suppress(OSError, RuntimeError, ValueError):  # too long a name, or nobody's home
        folder = Path(name).expanduser()
        if ("/" in name or name.startswith("~")) and folder.is_dir():
            return str(folder.resolve())
    return name


class ModelSettings(Section):
    """A model to embed with."""

    # The model's identity tells of its base, wherever that is found.
    unkeyed: ClassVar[frozenset[str]] = frozenset({"base", "base_revision"})

    name: Annotated[str, AfterValidator(_one_spelling)] = Field(
        "reference-mllm", description="A reference model, a Hugging Face name, or a local folder."
    )
    alias: str | None = Field(
        None, min_length=1, description="What tables call it; by default its name. Needed where one is named twice."
    )
    kind: Literal["auto", "generative", "contrastive"] = Field(
        "auto", description="What the model is taken for; auto asks its config."
    )
    family: str = Field(
        "auto", description="The family that serves it, which lays out prompts; auto goes by type and published name."
    )
    revision: str | None = Field(None, description="Branch, tag or commit on the hub.")
    base: Annotated[str, AfterValidator(_one_spelling)] | None = Field(
        None, description="The model under a low-rank adapter, where it is not what adapter_config.json names."
    )
    base_revision: str | None = Field(None, description="Branch, tag or commit of that base on the hub.")
    dtype: Literal["float32", "bfloat16", "float16", "auto"] = Field(
        "float32", description="Precision of the forward pass; auto is that of the checkpoint."
    )
    attention: Literal["sdpa", "eager"] = Field(
        "sdpa", description="Attention implementation; eager where the model has no sdpa."
    )
    rendering: Rendering = Field(
        "released", description="How prompts end: released, with the user's turn; generation, where an answer begins."
    )
    hidden_state: HiddenState = Field(
        "normed",
        description="States of the last layer: normed, after the final norm; released, what the paper's code takes, "
        "before that norm in Qwen3-VL.",
    )
    text_picture: TextPicture = Field(
        "none",
        description="What texts alone are shown with: none; released, as in the paper's code, which gives PaliGemma a "
        "black picture.",
    )
    max_pixels: Count | None = Field(None, description="Pixel limit of models with variable resolution.")
    max_tokens: int | None = Field(
        None,
        ge=8,
        description="Most tokens of a prompt, its picture's left out: longer texts are cut, and counted. Null is what "
        "the model takes, at most 2,048 of a generative one.",
    )
    trust_remote_code: bool = Field(False, description="Run code that comes with the model.")

    @property
    def label(self) -> str:
        """What tables call the model."""
        return self.alias or self.name
