"""What is wrong with a model and shows only when a sample is embedded is told in one line too, whoever raises it."""

import shutil
from collections.abc import Callable
from errno import ENOMEM
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline_core.activations.embed import embed_samples
from pipeline_core.activations.refusals import Refusal
from pipeline_core.errors import LensError, ModelError, SampleError
from pipeline_core.models.devices import is_memory_full
from pipeline_core.models.hooks import running
from pipeline_core.models.samples import SampleInput
from tests.models import tiny, tiny_families, tiny_generative
from tests.models.breaking import CONFIG, PROCESSOR, TEMPLATE, TOKENS, Break, holds, images_say, part_says, says, weighs

NOT_TAKEN = "model does not take what its processor makes ("
PICTURES = "preprocessor_config.json"


def fewer_words(folder: Path) -> None:
    """A vocabulary that is smaller than the tokenizer's, in weights and config alike."""
    large = ("embed_tokens.weight", "lm_head.weight", "token_embedding.weight")
    weighs(lambda weights: weights.update({k: v[:40].clone() for k, v in weights.items() if k.endswith(large)}))(folder)
    part_says("text_config", vocab_size=40)(folder)


BROKEN: dict[str, tuple[Break, str]] = {
    "a template that is cut": (holds(TEMPLATE, "{% for"), "model's chat template (unexpected 'end of"),
    "a template that asks for what is not there": (holds(TEMPLATE, "{{ unknown.field }}"), "'unknown' is undefined"),
    "a template that refuses": (holds(TEMPLATE, "{{ raise_exception('roles') }}"), "(roles); so would any other"),
    "a template that fails": (holds(TEMPLATE, "{{ 1 / 0 }}"), "division by zero"),
    "an empty template": (holds(TEMPLATE, ""), "cannot be prepared"),
    "a template without the words": (holds(TEMPLATE, "<image>"), "words that the model's chat template changes"),
    "patches of a word": (says(PROCESSOR, patch_size="eight"), "sample p cannot be prepared"),
    "another part of the tower's features": (
        says(PROCESSOR, vision_feature_select_strategy="full"),
        f"{NOT_TAKEN}Image features and image tokens do not match",
    ),
    "patches of no pixels": (says(PROCESSOR, patch_size=0), "sample p cannot be prepared"),
    "further tokens that are a word": (says(PROCESSOR, num_additional_image_tokens="one"), "cannot be prepared"),
    "a grey that is a word": (images_say(image_mean="grey"), "mean must have 3 elements"),
    "a scale that is a word": (images_say(rescale_factor="much"), "sample p cannot be prepared"),
    "a layer of the tower that is not there": (says(CONFIG, vision_feature_layer=-9), f"{NOT_TAKEN}IndexError"),
    "heads of an odd width": (
        part_says("text_config", num_attention_heads=8, num_key_value_heads=4, head_dim=None),
        f"{NOT_TAKEN}The size of tensor a (3)",
    ),
    "fewer words than the tokenizer has": (fewer_words, f"{NOT_TAKEN}IndexError: index out of range"),
}
"""A Llava."""

BROKEN_QWEN: dict[str, tuple[Break, str]] = {
    "patches of another size": (says(PICTURES, patch_size=4), f"{NOT_TAKEN}The size of tensor a"),
    "patches that are not merged": (says(PICTURES, merge_size=1), f"{NOT_TAKEN}shape '"),
    "places that do not add up": (
        part_says("text_config", rope_parameters={"rope_type": "default", "rope_theta": 1e4, "mrope_section": [9, 1]}),
        f"{NOT_TAKEN}split_with_sizes",
    ),
}
"""A Qwen2-VL, whose pictures keep their shape."""

BROKEN_CLIP: dict[str, tuple[Break, str]] = {
    "no padding": (says(TOKENS, pad_token=None), f"{NOT_TAKEN}Asking to pad"),
    "fewer words than the tokenizer has": (fewer_words, f"{NOT_TAKEN}IndexError: index out of range"),
}


@pytest.fixture(scope="module")
def folders(llava_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    qwen, clip = (tmp_path_factory.mktemp(name) for name in ("qwen", "clip"))
    tiny_families.save(qwen, tiny_generative.GENERATIVE["qwen2_vl"])
    return {"llava": llava_folder, "qwen": qwen, "clip": tiny.save_clip(clip)}


CASES = {
    f"{name}: {what}": (name, *case)
    for name, broken in (("llava", BROKEN), ("qwen", BROKEN_QWEN), ("clip", BROKEN_CLIP))
    for what, case in broken.items()
}


@pytest.mark.parametrize(("name", "broken", "words"), CASES.values(), ids=CASES)
def test_what_shows_only_in_use_is_told_in_one_line_too(
    name: str, broken: Break, words: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(folders[name], folder)
    broken(folder)
    embedder = tiny.load(folder)
    samples = [
        SampleInput("p", "none", tiny.picture(0), "a red heart", "Say it:"),
        SampleInput("t", "none", None, "two small dogs with dark skin tone", "Say it:"),
    ]
    with pytest.raises(LensError) as caught:
        embedder.embed(samples, embedder.representations(None), ())
    assert "\n" not in str(caught.value) and words in str(caught.value) and caught.value.remedy


@pytest.mark.parametrize("side", [1, 2])
def test_a_picture_of_which_a_model_can_make_nothing_is_refused_and_the_others_embedded(
    side: int, tmp_path: Path
) -> None:
    """A Mistral3 makes one token of it, and splits it as if there were more."""
    tiny_families.save(tmp_path, tiny_generative.GENERATIVE["mistral3"])
    embedder = tiny.load(tmp_path)
    whole, words = (SampleInput("p", "x", tiny.picture(0)), SampleInput("t", "x", None, "a red heart"))
    dot = SampleInput("dot", "x", Image.new("RGB", (side, side)), None, "Say it:")
    refusals: list[Refusal] = []
    last = embedder.representations(None)[-1:]
    parts = embed_samples(embedder, [whole, dot, words], last, (), refusals)
    (refused,) = refusals
    assert (refused.sample_id, refused.fault, refused.width) == ("dot", "input", side)
    assert refused.reason.startswith("is not taken: ")
    alone = [embedder.embed([sample], last, ()).vectors for sample in (whole, words)]
    vectors = np.concatenate([part.vectors for part in parts], axis=1)
    np.testing.assert_allclose(vectors, np.concatenate(alone, axis=1), atol=1e-4)


@pytest.mark.parametrize("build", [tiny.save_clip, tiny.save_siglip])
def test_words_that_a_dual_encoder_s_tokenizer_refuses_are_a_fault_of_the_sample(
    build: Callable[[Path], Path], tmp_path: Path
) -> None:
    embedder = tiny.load(build(tmp_path))
    samples = [SampleInput("good", "none", None, "a red heart"), SampleInput("half", "none", None, "a\ud800b")]
    with pytest.raises(SampleError, match="sample half cannot be prepared: "):
        embedder.embed(samples, embedder.representations(None), ())


@pytest.mark.parametrize("code", [lambda: {}["pixels"], lambda: torch.zeros(2) @ torch.zeros(3), lambda: 1 / 0])
def test_whatever_a_model_s_own_code_raises_is_its_fault(code: Callable[[], object]) -> None:
    with (
        pytest.raises(ModelError, match=r"^m does not take what its processor makes \(\w.*; use config.json"),
        running("m"),
    ):
        code()


def test_words_of_a_library_are_told_though_it_calls_them_an_error_of_the_system() -> None:
    with pytest.raises(ModelError, match=r"makes \(no such kernel\); "), running("m"):
        raise OSError("no such kernel")


def test_a_package_that_its_code_asks_for_is_what_to_install() -> None:
    with pytest.raises(ModelError, match=r"no kernels\); install the package that it names"), running("m"):
        raise ImportError("no kernels")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (partial(torch.empty, 2**60, dtype=torch.uint8), RuntimeError),
        (partial(bytearray, 2**62), MemoryError),
        (partial(open, "/nowhere"), FileNotFoundError),
    ],
)
def test_a_full_memory_and_a_missing_file_are_not(code: Callable[[], object], kind: type[Exception]) -> None:
    with pytest.raises(kind), running("m"):
        code()


def test_a_full_memory_is_known_whoever_tells_of_it() -> None:
    told = (
        "CUBLAS_STATUS_ALLOC_FAILED",
        "UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY",
        "DefaultCPUAllocator: can't allocate memory",
    )
    assert all(is_memory_full(RuntimeError(words)) for words in told)
    assert is_memory_full(OSError(ENOMEM, "Cannot allocate memory")) and not is_memory_full(OSError("no such file"))
