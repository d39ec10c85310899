"""Samples that a model refuses are told, and cost no other."""

from pathlib import Path

from tokenizers import normalizers

from pipeline_core.activations.embed import embed_samples
from pipeline_core.activations.refusals import Refusal
from pipeline_core.models.generative import GenerativeEmbedder
from pipeline_core.models.samples import SampleInput
from tests.activations.conftest import WORDS
from tests.models import tiny


def test_a_sample_whose_words_a_template_changes_is_left_out_and_costs_no_other(tmp_path: Path) -> None:
    """Tidying templates are common; what they tidy in one sample concerns no other."""
    embedder = tiny.load(tiny.save_llava(tmp_path / "model"))
    assert isinstance(embedder, GenerativeEmbedder)
    embedder.processor.chat_template = tiny.TEMPLATE.replace("part['text']", "part['text'] | replace('dogs', 'cats')")
    embedder.processor.tokenizer.backend_tokenizer.normalizer = normalizers.Replace("waving", "")
    refusals: list[Refusal] = []
    samples = [SampleInput(words, "text", None, words, "Say it:") for words in (*WORDS, "a heart")]
    (embedded,) = embed_samples(embedder, samples, embedder.representations(None), (), refusals)
    assert {refusal.sample_id: refusal.reason for refusal in refusals} == {
        "two small dogs": "has words that the model's chat template changes",
        "dogs, a heart": "has words that the model's chat template changes",
        "a waving hand": "has characters of which the tokenizer tells no token, such as 'w'",
    }
    assert embedded.vectors.shape[1] == len(samples) - len(refusals)
