"""Where a feature fires: texts are cut at the places of their tokens, whose values are those of their states."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.activations.settings import ActivationsSettings, RepresentationSettings
from pipeline_core.app.firing import fire, pieces
from pipeline_core.index.searcher import Searcher
from pipeline_core.models.samples import SampleInput
from pipeline_core.sae.architectures.topk import TopKSae
from tests.models import tiny


@pytest.mark.parametrize(
    ("text", "places", "wanted"),
    [
        ("a red heart", [(0, 1), (2, 5), (6, 11)], [("a", 1), (" ", 0), ("red", 2), (" ", 0), ("heart", 3)]),
        ("a red", [(-1, 1), (1, 5)], [("a", 1), (" red", 2)]),
        ("é!", [(0, 1), (0, 1), (1, 2)], [("é", 2), ("!", 3)]),
        ("long text", [(0, 4)], [("long", 1), (" text", 0)]),
        ("", [], []),
    ],
)
def test_pieces_have_the_values_of_their_tokens(text: str, places: list, wanted: list) -> None:
    values = np.arange(1, len(places) + 1, dtype=np.float32)
    assert list(pieces(text, np.array(places, dtype=np.int64).reshape(-1, 2), values)) == wanted


@given(st.text(max_size=20), st.lists(st.tuples(st.integers(-3, 25), st.integers(0, 5)), max_size=12))
def test_the_text_stays_whole(text: str, tokens: list[tuple[int, int]]) -> None:
    places = np.array([(start, start + length) for start, length in sorted(tokens)], dtype=np.int64).reshape(-1, 2)
    found = pieces(text, places, np.ones(len(tokens), dtype=np.float32))
    assert "".join(piece for piece, _ in found) == text


def test_words_and_patches_have_what_the_autoencoder_makes_of_their_states(tmp_path: Path) -> None:
    llava = tiny.load(tiny.save_llava(tmp_path))
    rows = torch.nn.functional.normalize(torch.randn(24, llava.width, generator=torch.Generator().manual_seed(0)))
    sae = TopKSae(rows, torch.zeros(24), rows.clone(), torch.zeros(llava.width), 6, centred=False)
    samples = [
        SampleInput("both", "both", tiny.picture(0), "a red heart", "Summarize:", keeps_states=True),
        SampleInput("text", "text", None, "a naïve 👋🏿 wave", "Summarize:", keeps_states=True),
    ]
    searcher = Searcher(llava, None, tmp_path, ActivationsSettings(), RepresentationSettings())  # type: ignore[arg-type]
    wanted = [llava.representations(None)[-1]]
    seen = 0
    for feature in range(24):
        for sample, fired in zip(samples, fire(searcher, sae, "llava/tiny", feature, samples), strict=True):
            assert "".join(word for word, _ in fired.words) == sample.text
            told = {}
            for role in ("image", "text", "prompt"):
                (states,) = llava.embed([sample], wanted, (role,)).tokens
                codes = sae.encode(torch.from_numpy(states.states))
                hits = torch.where(codes.ids == feature, codes.values, 0.0).reshape(len(states.states), 6)
                told[role] = hits.amax(1).half().float().tolist()
            assert fired.largest == max([*told["image"], *told["text"]])
            assert fired.instruction == max(told["prompt"])
            assert {value for _, value in fired.words} <= {0.0, *told["text"]}
            if sample.image is None:
                assert fired.patches is None
            else:
                assert fired.patches is not None
                assert list(fired.patches.values) == told["image"]
                assert len(told["image"]) == fired.patches.grid_h * fired.patches.grid_w
            seen += fired.largest > 0
    assert seen > 5
