"""Where a feature fires within samples: its value on each word and on each patch, by the states of their tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline_core.codes.encode import encode_vectors
from pipeline_core.index.searcher import Searcher
from pipeline_core.models.embedder import AttendingEmbedder
from pipeline_core.models.representations import chosen_representation
from pipeline_core.models.samples import IMAGE, PROMPT, TEXT, SampleInput

if TYPE_CHECKING:
    from pipeline_core.models.grids import Region
    from pipeline_core.sae.architectures import Sae

Values = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Patches:
    """The values of a picture's patches, row by row, ``grid_w`` a row, over a region of it (shares of its sides)."""

    values: tuple[float, ...]
    grid_h: int
    grid_w: int
    region: "Region"


@dataclass(frozen=True)
class Fired:
    """One sample.

    Attributes:
        words: its text in pieces, each with the value of its token; 0 where no token stands.
        patches: those of its picture; None without one, or where a model's tokens lie over no grid.
        largest: the largest value on its own tokens.
        instruction: the largest value on tokens of the instruction.
        rest: the largest on tokens of the template.
    """

    words: tuple[tuple[str, float], ...]
    patches: Patches | None
    largest: float
    instruction: float
    rest: float


def fire(searcher: Searcher, sae: "Sae", sae_id: str, feature: int, samples: Sequence[SampleInput]) -> list[Fired]:
    """Have a model read samples, and encode the states of their tokens; one feature of them is kept.

    Args:
        searcher: has the model, which has tokens, and says how embeddings are pooled.
        sae: an autoencoder of that model.
        sae_id: its name.
        feature: of its features.
        samples: whose tokens' states are kept.

    Raises:
        SampleError, ModelError: as ``Embedder.embed`` and ``encode_vectors``.
    """
    embedder = searcher.embedder
    assert isinstance(embedder, AttendingEmbedder), "dual encoders have no tokens"
    chosen = searcher.representation.of_model(embedder.facts)
    every = embedder.representations(searcher.settings.layer)
    wanted = chosen_representation(every, chosen.pooling, chosen.mask)
    found = []
    for sample in samples:  # one by one: pictures of several sizes are not stacked
        (states,) = embedder.embed([sample], [wanted], ("image", "text", "prompt", "template")).tokens
        (told,) = embedder.prepare([sample]).samples
        codes = encode_vectors(sae, states.states, sae_id)
        values = np.zeros(len(told.roles), dtype=np.float32)
        values[states.positions] = codes[:, [feature]].toarray()[:, 0]
        grid, words, instruction = embedder.image_grid(told), told.roles == TEXT, told.roles == PROMPT
        of_picture, rest = told.roles == IMAGE, ~np.isin(told.roles, (IMAGE, TEXT, PROMPT))
        patches = tuple(values[of_picture].tolist())
        found.append(
            Fired(
                pieces(told.sample.text or "", told.places[words], values[words]),
                None if grid is None else Patches(patches, grid.height, grid.width, grid.region),
                *(float(values[tokens].max(initial=0.0)) for tokens in (words | of_picture, instruction, rest)),
            )
        )
    return found


def pieces(text: str, places: npt.NDArray[np.int64], values: Values) -> tuple[tuple[str, float], ...]:
    """Cut a text into what tokens stand for and what lies between, in order.

    Args:
        text: the whole.
        places: of each token, its first character and the one behind its last [n, 2], in order; several tokens may
            share one character.
        values: of each token [n].
    """
    cut: list[tuple[str, float]] = []
    done = 0
    for (start, end), value in zip(np.clip(places, 0, len(text)).tolist(), values.tolist(), strict=True):
        if start > done:
            cut.append((text[done:start], 0.0))
        if end > done:
            cut.append((text[max(start, done) : end], value))
        elif cut:  # a further token of one character
            cut[-1] = cut[-1][0], max(cut[-1][1], value)
        done = max(done, end)
    return tuple([*cut, (text[done:], 0.0)] if done < len(text) else cut)
