"""What every family must hold under a published model's own template, processor settings and special tokens.

The files are no part of the project: ``RETRIEVAL_LENS_PUBLISHED`` says where they are.
"""

from pathlib import Path

import pytest
import torch
from PIL import Image

from pipeline_core.models.samples import IMAGE, SampleInput
from tests.models import published
from tests.models.conformance import INSTRUCTION, Member, loaded
from tests.models.published import PUBLISHED
from tests.models.test_conformance import (  # noqa: F401
    looks,
    test_a_shared_beginning_changes_nothing,
    test_attention_is_the_model_s_own,
    test_bfloat16_points_where_float32_does,
    test_roles_are_those_of_what_was_put_in,
    test_states_do_not_depend_on_the_batch,
    test_states_of_every_layer_are_the_model_s_own,
    test_texts_do_not_depend_on_pictures_seen_before,
    test_the_model_s_own_markers_stay_words,
    test_the_tower_looks_at_a_picture_once,
)

pytestmark = pytest.mark.published

QWEN2 = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
    "<|vision_start|>{}<|vision_end|>a heart\n" + INSTRUCTION + " <|im_end|>\n"
)
QWEN3 = QWEN2.removeprefix("<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n")
EMBEDDING = "<|im_start|>system\nRepresent the user's input.<|im_end|>\n"
SMOL_TILE = "<fake_token_around_image><row_{}_col_{}>" + "<image>" * 64
SMOL = (
    "<|im_start|>User:"
    + "".join("".join(SMOL_TILE.format(row, column) for column in range(1, 5)) + "\n" for row in range(1, 4))
    + "\n<fake_token_around_image><global-img>"
    + "<image>" * 64
    + f"<fake_token_around_image>a heart\n{INSTRUCTION} <end_of_utterance>\n"
)

COUNTED = {
    # 336 / 28 x 448 / 28 tokens, of 2 x 2 patches of 14 pixels
    "qwen2-vl": (12 * 16, 151655, QWEN2.format("<|image_pad|>" * 192)),
    "qwen2.5-vl": (12 * 16, 151655, QWEN2.format("<|image_pad|>" * 192)),
    # 336 is brought to 10 x 32, 448 is 14 x 32
    "qwen3-vl": (10 * 14, 151655, QWEN3.format("<|image_pad|>" * 140)),
    "qwen3-vl-embedding": (10 * 14, 151655, EMBEDDING + QWEN3.format("<|image_pad|>" * 140)),
    # (336 / 14)^2
    "llava-1.5": (576, 32000, f"USER: {'<image>' * 576}\na heart\n{INSTRUCTION}  "),
    # enlarged to 2048 x 1536: 3 rows of 4 tiles and the whole, 64 tokens each
    "smolvlm": (13 * 64, 49190, SMOL),
    # (224 / 14)^2
    "paligemma": (256, 257152, f"{'<image>' * 256}<bos>a heart\n{INSTRUCTION} \n"),
}
"""Tokens of a picture of 448 x 336, their id, and the whole prompt, counted and written by hand."""

LARGE = {"qwen2-vl": 143 * 107, "qwen2.5-vl": 143 * 107, "qwen3-vl": 125 * 94, "qwen3-vl-embedding": 41 * 30}
"""Tokens of a picture of 4000 x 3000 where its resolution is kept, down to the model's limit of pixels."""


@pytest.fixture(scope="module", params=PUBLISHED)
def member(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Member:
    made = PUBLISHED[request.param]
    return loaded(made, published.save(tmp_path_factory.mktemp(request.param), made))


def name_of(member: Member) -> str:
    return next(name for name, made in PUBLISHED.items() if made is member.made)


def test_prompt_and_picture_tokens_are_those_counted_by_hand(member: Member) -> None:
    sample = SampleInput("s", "p", Image.new("RGB", (448, 336), "red"), "a heart", INSTRUCTION)
    tokenized = member.embedder.prepare([sample]).samples[0]
    count, picture_id, prompt = COUNTED[name_of(member)]
    ids = tokenized.tokens["input_ids"][0]
    assert ids[torch.from_numpy(tokenized.roles == IMAGE)].tolist() == [picture_id] * count
    assert member.embedder._processor.tokenizer.decode(ids, clean_up_tokenization_spaces=False) == prompt


def test_a_large_picture_has_as_many_tokens_as_its_limit_says(member: Member) -> None:
    sample = SampleInput("s", "p", Image.new("RGB", (4000, 3000), "red"), None, INSTRUCTION)
    name = name_of(member)
    if name in LARGE:
        assert (member.embedder.prepare([sample]).roles[0] == IMAGE).sum() == LARGE[name]


def test_ids_are_those_of_the_published_config(member: Member) -> None:
    config = published.read(member.made, "config.json")
    tokenizer = member.embedder._processor.tokenizer
    own = config.get("image_token_id", config.get("image_token_index"))
    assert tokenizer.convert_tokens_to_ids(member.embedder._processor.image_token) == own


def test_the_files_are_there() -> None:
    assert (Path(published.PLACE) / "SOURCES.tsv").is_file()
