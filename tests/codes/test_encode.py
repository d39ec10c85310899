from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline_core.activations.vectors import load_embeddings
from pipeline_core.codes.reading import load_codes
from pipeline_core.errors import ModelError
from pipeline_core.sae.architectures.topk import TopKSae
from pipeline_core.sae.formats import Provenance
from pipeline_core.sae.formats.saelens import MEMBER
from pipeline_core.schema.parquet import read_table
from tests.codes.encoding import encode_embeddings
from tests.sae.artifacts import REPRESENTATION, WIDTH, modality_of_rows, start_topk, trained

N_FEATURES, K = 48, 5
REP = REPRESENTATION["rep_id"]


def write(folder: Path, sae: TopKSae) -> Path:
    folder.mkdir()
    MEMBER.write(folder, sae, Provenance("tiny/centred", "tiny", "L4/final_norm"))
    return folder


@pytest.fixture(scope="module")
def sae(activations: Path) -> TopKSae:
    mean = torch.from_numpy(np.concatenate([*load_embeddings(activations).blocks()]).mean(axis=0))
    return trained(start_topk(mean, N_FEATURES, K, True))


@pytest.fixture
def encoded(sae: TopKSae, activations: Path, dataset: Path, tmp_path: Path) -> Path:
    encode_embeddings(write(tmp_path / "sae", sae), activations, dataset, REP, tmp_path)
    return tmp_path


def dense(sae: TopKSae, vectors: np.ndarray) -> np.ndarray:
    values = np.maximum((vectors - sae.decoder_bias.numpy()) @ sae.encoder.numpy().T + sae.encoder_bias.numpy(), 0)
    values[values < np.sort(values, axis=1)[:, -sae.k, None]] = 0
    return values


def test_codes_equal_the_dense_equation(encoded: Path, sae: TopKSae, activations: Path) -> None:
    codes = load_codes(encoded, N_FEATURES)
    embeddings = load_embeddings(activations)
    samples, prompts = (tuple(embeddings.labels[name]) for name in ("sample_id", "prompt_id"))
    assert (codes.sample_ids, codes.prompt_ids) == (samples, prompts)
    assert (codes.sae_id, codes.rep_id) == ("tiny/centred", REP)
    expected = dense(sae, embeddings.take(np.arange(len(embeddings))))
    np.testing.assert_allclose(codes.matrix.toarray(), expected, rtol=1e-3, atol=1e-4)


def test_only_positive_codes_are_stored_in_order_of_id(encoded: Path) -> None:
    for features, values in read_table(encoded, "codes").select("features", "values").iter_rows():
        assert len(features) <= K
        assert features == sorted(set(features))
        assert min(values) > 0


def test_reconstruction_equals_the_dense_measures(encoded: Path, sae: TopKSae, activations: Path) -> None:
    vectors = np.concatenate([*load_embeddings(activations).blocks()]).astype(np.float64)
    codes = load_codes(encoded, N_FEATURES).matrix.toarray()
    rebuilt = codes @ sae.dictionary.numpy().astype(np.float64) + sae.decoder_bias.numpy()
    modalities = np.array(modality_of_rows())
    table = {row["modality"]: row for row in read_table(encoded, "reconstruction").iter_rows(named=True)}
    assert set(table) == {"image", "text", "image_text", "all"}
    for name, row in table.items():
        chosen = np.isin(modalities, [name]) | (name == "all")
        h, h_hat = vectors[chosen], rebuilt[chosen]
        assert row["n_vectors"] == chosen.sum()
        assert row["fvu"] == pytest.approx(((h - h_hat) ** 2).sum() / ((h - h.mean(0)) ** 2).sum(), rel=1e-5)
        cosine = (h * h_hat).sum(1) / np.linalg.norm(h, axis=1) / np.linalg.norm(h_hat, axis=1)
        assert row["cosine"] == pytest.approx(cosine.mean(), rel=1e-5)
        assert row["l0"] == pytest.approx((codes[chosen] > 0).sum(1).mean())


def test_predicting_the_mean_leaves_all_variance(
    sae: TopKSae, activations: Path, dataset: Path, tmp_path: Path
) -> None:
    """An encoder that never fires leaves the decoder bias, here the mean embedding: FVU 1, no codes."""
    silent = TopKSae(
        torch.full((N_FEATURES, WIDTH), 1e-12),
        torch.full((N_FEATURES,), -1.0),
        sae.dictionary,
        sae.decoder_bias,
        K,
        True,
    )
    encode_embeddings(write(tmp_path / "sae", silent), activations, dataset, REP, tmp_path)
    everything = read_table(tmp_path, "reconstruction").row(0, named=True)
    assert everything["modality"] == "all"
    assert everything["fvu"] == pytest.approx(1.0, abs=1e-5)
    assert everything["l0"] == 0
    assert read_table(tmp_path, "codes")["features"].list.len().max() == 0


def test_dead_output_has_no_direction(sae: TopKSae, activations: Path, dataset: Path, tmp_path: Path) -> None:
    silent = TopKSae(
        torch.full((N_FEATURES, WIDTH), 1e-12),
        torch.full((N_FEATURES,), -1.0),
        sae.dictionary,
        torch.zeros(WIDTH),
        K,
        False,
    )
    encode_embeddings(write(tmp_path / "sae", silent), activations, dataset, REP, tmp_path)
    assert set(read_table(tmp_path, "reconstruction")["cosine"]) == {0.0}


def test_another_width_is_refused(activations: Path, dataset: Path, tmp_path: Path) -> None:
    narrow = start_topk(torch.zeros(7), 9, 2, False)
    with pytest.raises(ModelError, match=f"takes vectors of width 7, the embeddings have {WIDTH}"):
        encode_embeddings(write(tmp_path / "sae", narrow), activations, dataset, REP, tmp_path)


def test_codes_beyond_half_precision_are_refused(
    sae: TopKSae, activations: Path, dataset: Path, tmp_path: Path
) -> None:
    loud = TopKSae(sae.encoder * 1e6, sae.encoder_bias, sae.dictionary, sae.decoder_bias, K, True)
    with pytest.raises(ModelError, match="exceed float16"):
        encode_embeddings(write(tmp_path / "sae", loud), activations, dataset, REP, tmp_path)
