"""Batches opened ahead of the model: one and no further, in their order; what cannot be taken is told in its place."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import normalizers

from pipeline_core.activations.embed import embed_samples, opened_ahead
from pipeline_core.activations.plan import DatasetTables, Request, needed_requests
from pipeline_core.activations.refusals import Refusal
from pipeline_core.dataset.images import ImageReader
from pipeline_core.errors import DataError
from pipeline_core.models.generative import GenerativeEmbedder
from pipeline_core.models.samples import SampleInput
from tests.activations.conftest import WORDS
from tests.models import tiny


@pytest.fixture(scope="module")
def pictured(dataset_folder: Path) -> list[Request]:
    return [item for item in needed_requests(DatasetTables.read(dataset_folder), prompts=True) if item.image_ref]


def test_one_batch_is_opened_ahead_and_no_more(dataset_folder: Path, pictured: list[Request]) -> None:
    drawn: list[int] = []
    batches = (drawn.append(start) or pictured[start : start + 2] for start in range(0, 8, 2))
    with ImageReader(dataset_folder) as reader, closing(opened_ahead(reader, batches)) as opened:
        seen = [(len(drawn), [sample.sample_id for sample in samples]) for samples, _ in opened]
    assert [ahead for ahead, _ in seen] == [2, 3, 4, 4]
    assert [sample for _, batch in seen for sample in batch] == [item.sample_id for item in pictured[:8]]


def test_a_picture_that_is_gone_ends_its_own_batch(dataset_folder: Path, pictured: list[Request]) -> None:
    gone = replace(pictured[2], image_ref="file:gone.png")
    with ImageReader(dataset_folder) as reader, closing(opened_ahead(reader, [pictured[:2], [gone]])) as opened:
        assert len(next(opened)[0]) == 2
        with pytest.raises(DataError, match=f"sample {gone.sample_id}"):
            next(opened)


def test_a_sample_whose_words_a_template_changes_is_left_out_and_costs_no_other(tmp_path: Path) -> None:
    """Tidying templates are common; what they tidy in one sample concerns no other."""
    embedder = tiny.load(tiny.save_llava(tmp_path / "model"))
    assert isinstance(embedder, GenerativeEmbedder)
    embedder._processor.chat_template = tiny.TEMPLATE.replace("part['text']", "part['text'] | replace('dogs', 'cats')")
    embedder._processor.tokenizer.backend_tokenizer.normalizer = normalizers.Replace("waving", "")
    refusals: list[Refusal] = []
    samples = [SampleInput(words, "text", None, words, "Say it:") for words in (*WORDS, "a heart")]
    (embedded,) = embed_samples(embedder, samples, embedder.representations(None), (), refusals)
    assert {refusal.sample_id: refusal.reason for refusal in refusals} == {
        "two small dogs": "has words that the model's chat template changes",
        "dogs, a heart": "has words that the model's chat template changes",
        "a waving hand": "has characters of which the tokenizer tells no token, such as 'w'",
    }
    assert embedded.vectors.shape[1] == len(samples) - len(refusals)
