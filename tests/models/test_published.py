"""What every family must hold under a published model's own template, processor settings and special tokens.

The files are no part of the project: ``RETRIEVAL_LENS_PUBLISHED`` says where they are.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from pipeline_core.errors import ModelError
from pipeline_core.models.samples import IMAGE, PROMPT, TEXT, SampleInput
from tests.models import published
from tests.models.conformance import INSTRUCTION, Member, load, loaded
from tests.models.published import PUBLISHED
from tests.models.test_conformance import (  # noqa: F401
    looks,
    test_a_shared_beginning_changes_nothing,
    test_attention_is_the_model_s_own,
    test_bfloat16_points_where_float32_does,
    test_roles_are_those_of_what_was_put_in,
    test_samples_prepared_by_other_processes_are_embedded_alike,
    test_states_do_not_depend_on_the_batch,
    test_states_of_every_layer_are_the_model_s_own,
    test_texts_do_not_depend_on_pictures_seen_before,
    test_the_model_s_own_markers_stay_words,
    test_the_tower_looks_at_a_picture_once,
)
from tests.models.tiny_families import save
from tests.models.tiny_generative import GENERATIVE

pytestmark = pytest.mark.published

QWEN2 = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
    "<|vision_start|>{}<|vision_end|>a heart\n" + INSTRUCTION + " <|im_end|>\n"
)
QWEN3 = QWEN2.removeprefix("<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n")
EMBEDDING = "<|im_start|>system\nRepresent the user's input.<|im_end|>\n"
GEMMA = "<bos><start_of_turn>user\n\n\n<start_of_image>{}<end_of_image>\n\na heart\n" + INSTRUCTION + "<end_of_turn>\n"
INTERN = (
    "<|im_start|>system\nA waving hand is a word here.<|im_end|>\n<|im_start|>user\n<img>{}</img>a heart\n"
    + INSTRUCTION
    + " <|im_end|>\n"
)
SMOL_TILE = "<fake_token_around_image><row_{}_col_{}>" + "<image>" * 64
TILES = (
    "".join("".join(SMOL_TILE.format(row, column) for column in range(1, 5)) + "\n" for row in range(1, 4))
    + "\n<fake_token_around_image><global-img>"
    + "<image>" * 64
    + f"<fake_token_around_image>a heart\n{INSTRUCTION} "
)

COUNTED = {
    # 336 / 28 x 448 / 28 tokens, of 2 x 2 patches of 14 pixels
    "qwen2-vl": (12 * 16, 151655, QWEN2.format("<|image_pad|>" * 192)),
    "qwen2-vl-awq": (12 * 16, 151655, QWEN2.format("<|image_pad|>" * 192)),
    "qwen2.5-vl-3b": (12 * 16, 151655, QWEN2.format("<|image_pad|>" * 192)),
    "qwen2.5-vl": (12 * 16, 151655, QWEN2.format("<|image_pad|>" * 192)),
    # 336 is brought to 10 x 32, 448 is 14 x 32
    "qwen3-vl": (10 * 14, 151655, QWEN3.format("<|image_pad|>" * 140)),
    "qwen3-vl-v5": (10 * 14, 151655, QWEN3.format("<|image_pad|>" * 140)),
    "qwen3-vl-embedding": (10 * 14, 151655, EMBEDDING + QWEN3.format("<|image_pad|>" * 140)),
    # (336 / 14)^2
    "llava-1.5": (576, 32000, f"USER: {'<image>' * 576}\na heart\n{INSTRUCTION}  "),
    # enlarged to 2048 x 1536: 3 rows of 4 tiles and the whole, 64 tokens each
    "smolvlm": (13 * 64, 49190, f"<|im_start|>User:{TILES}<end_of_utterance>\n"),
    "granite-docling": (13 * 64, 100270, f"<|start_of_role|>user<|end_of_role|>{TILES}<|end_of_text|>\n"),
    # 64 x 64 patches, a token each 4 x 4; its template trims the blank
    "gemma-3": (256, 262144, GEMMA.format("<image_soft_token>" * 256)),
    # 32 x 32 patches, a token each 2 x 2
    "internvl3": (256, 151667, INTERN.format("<IMG_CONTEXT>" * 256)),
    # (224 / 14)^2
    "paligemma": (256, 257152, f"{'<image>' * 256}<bos>a heart\n{INSTRUCTION} \n"),
    # (448 / 14)^2
    "paligemma-448": (1024, 257152, f"{'<image>' * 1024}<bos>a heart\n{INSTRUCTION} \n"),
}
"""Tokens of a picture of 448 x 336, their id, and the whole prompt, counted and written by hand."""

LARGE = {
    "qwen2-vl": 143 * 107,  # 15,301
    "qwen2-vl-awq": 41 * 30,  # its limit is a million pixels
    "qwen2.5-vl": 143 * 107,
    "qwen2.5-vl-3b": 143 * 107,
    "qwen3-vl": 125 * 94,  # 11,750
    "qwen3-vl-v5": 125 * 94,
    "qwen3-vl-embedding": 41 * 30,  # 1,230
}
"""Tokens of a picture of 4000 x 3000 where its resolution is kept, down to the model's limit of pixels."""


@pytest.fixture(scope="module", params=PUBLISHED)
def member(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Member:
    made = PUBLISHED[request.param]
    return loaded(made, published.save(tmp_path_factory.mktemp("model"), made))


def name_of(member: Member) -> str:
    return next(name for name, made in PUBLISHED.items() if made is member.made)


def test_prompt_and_picture_tokens_are_those_counted_by_hand(member: Member) -> None:
    sample = SampleInput("s", "p", Image.new("RGB", (448, 336), "red"), "a heart", INSTRUCTION)
    tokenized = member.embedder.prepare([sample]).samples[0]
    count, picture_id, prompt = COUNTED[name_of(member)]
    ids = tokenized.tokens["input_ids"][0]
    assert ids[torch.from_numpy(tokenized.roles == IMAGE)].tolist() == [picture_id] * count
    assert member.embedder.processor.tokenizer.decode(ids, clean_up_tokenization_spaces=False) == prompt


def test_a_large_picture_has_as_many_tokens_as_its_limit_says(member: Member) -> None:
    sample = SampleInput("s", "p", Image.new("RGB", (4000, 3000), "red"), None, INSTRUCTION)
    name = name_of(member)
    if name in LARGE:
        assert (member.embedder.prepare([sample]).roles[0] == IMAGE).sum() == LARGE[name]


def test_ids_are_those_of_the_published_config(member: Member) -> None:
    config = published.told(member.made, "config.json")
    tokenizer = member.embedder.processor.tokenizer
    picture_id = COUNTED[name_of(member)][1]
    assert config.get("image_token_id", config.get("image_token_index")) == picture_id
    assert tokenizer.convert_ids_to_tokens(picture_id) in COUNTED[name_of(member)][2]
    assert all(tokenizer.convert_tokens_to_ids(token) == number for token, number in _special(member).items())


def _special(member: Member) -> dict[str, int]:
    decoder = published.told(member.made, "tokenizer_config.json").get("added_tokens_decoder", {})
    return {token["content"]: int(number) for number, token in decoder.items()} or dict(member.made.ids)


def test_chameleon_s_tokens_are_those_counted_by_hand(tmp_path: Path) -> None:
    embedder = load(published.save(tmp_path, published.CHAMELEON))
    sample = SampleInput("s", "p", Image.new("RGB", (448, 336), "red"), "a heart", INSTRUCTION)
    tokenized = embedder.prepare([sample]).samples[0]
    ids = tokenized.tokens["input_ids"][0].tolist()
    assert (ids[0], ids[1:1025], ids[1025], ids[-1]) == (8197, [8711] * 1024, 8196, 8710)
    assert (tokenized.roles == IMAGE).sum() == 1024
    assert embedder.processor.tokenizer.pad_token_id == 1


def test_the_template_of_idefics3_is_served(tmp_path: Path) -> None:
    told = json.loads((published.PLACE / "idefics3-8b-llama3" / "idefics3.json").read_text(encoding="utf-8"))
    made = GENERATIVE["idefics3"]
    words = {**made.words, "begin_token": "<|begin_of_text|>"}
    embedder = load(save(tmp_path, replace(made, template=told["chat_template"], words=words)))
    sample = SampleInput("s", "p", Image.new("RGB", (448, 336), "red"), "a heart", INSTRUCTION)
    tokenized = embedder.prepare([sample]).samples[0]
    ids = tokenized.tokens["input_ids"][0]
    # 64 x 64 in 2 x 2 tiles and the whole, 4 tokens each
    assert (tokenized.roles == IMAGE).sum() == 5 * 4
    said = embedder.processor.tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    assert said.startswith("<|begin_of_text|>User:<fake_token_around_image><row_1_col_1><image><image><image><image>")
    assert said.endswith(f"<fake_token_around_image>a heart\n{INSTRUCTION} <end_of_utterance>\n")
    for role, words_of in ((TEXT, "a heart"), (PROMPT, f"{INSTRUCTION} ")):
        assert embedder.processor.tokenizer.decode(ids[torch.from_numpy(tokenized.roles == role)]) == words_of


def test_weights_in_four_bits_are_refused_with_the_package_that_they_need(tmp_path: Path) -> None:
    made = PUBLISHED["qwen2-vl-awq"]
    folder = published.save(tmp_path, made)
    told = json.loads((folder / "config.json").read_text())
    awq = published.told(made, "config.json")["quantization_config"]
    (folder / "config.json").write_text(json.dumps(told | {"quantization_config": awq}))
    with pytest.raises(ModelError, match="install the package that it names") as caught:
        load(folder)
    assert "\n" not in str(caught.value)


def test_the_files_are_there() -> None:
    assert (Path(published.PLACE) / "SOURCES.tsv").is_file()
