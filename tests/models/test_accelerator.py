"""What holds on the processor holds on a GPU in bfloat16: states, batches, inputs, extraction beside a bare pass."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.extraction import last_means, load, qwen, samples
from pipeline_core.activations.processes import load_with_processes
from pipeline_core.activations.vectors import load_embeddings
from pipeline_core.models.facts import describe_model
from pipeline_core.models.generative import GenerativeEmbedder
from pipeline_core.models.loading import load_embedder, load_processor
from pipeline_core.models.settings import ModelSettings
from pipeline_core.placement import Placement
from tests.activations.conftest import write_data_set
from tests.activations.running import run
from tests.models import tiny
from tests.models.test_conformance import SAMPLES
from tests.models.test_generative import states_of
from tests.models.tiny_families import save
from tests.models.tiny_generative import GENERATIVE

ON_GPU = pytest.mark.gpu


@pytest.mark.parametrize(
    ("device", "name"), [("cpu", "qwen2_vl"), *(pytest.param("cuda", name, marks=ON_GPU) for name in GENERATIVE)]
)
def test_a_family_in_bfloat16_points_where_it_does_in_float32_and_hangs_on_no_batch(
    device: str, name: str, tmp_path: Path
) -> None:
    made = GENERATIVE[name]
    folder = save(tmp_path / name, made)
    exact = tiny.load(folder, attention=made.attention)
    settings = ModelSettings(name=str(folder), dtype="bfloat16", attention=made.attention)
    halved = load_embedder(settings, describe_model(settings), device, tmp_path)
    assert isinstance(exact, GenerativeEmbedder) and isinstance(halved, GenerativeEmbedder)
    assert (halved._base.device.type, halved._base.dtype) == (device, torch.bfloat16)
    wanted, together = states_of(exact, SAMPLES), states_of(halved, SAMPLES)
    alone = [states_of(halved, [sample])[0] for sample in SAMPLES]
    for own, *others in zip(wanted, together, alone, strict=True):
        for other in others:
            assert _cosines(own.mean(1), other.mean(1)).min() > 0.99


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=ON_GPU)])
def test_extraction_gives_what_a_bare_forward_pass_gives(device: str, tmp_path: Path) -> None:
    """On a GPU, of a Qwen2-VL of two billion weights; benchmarks/extraction.py times both."""
    folder = save(tmp_path / "qwen", qwen("cuda") if device == "cuda" else GENERATIVE["qwen2_vl"])
    facts = describe_model(ModelSettings(name=str(folder), dtype="bfloat16"))
    _, wrap = load(facts, str(folder), device)
    embedder = wrap()
    mean = [rep for rep in embedder.representations(0) if (rep.layer, rep.pooling) == (embedder.n_layers, "mean")]
    for batch in (samples(4)[:4], samples(4)[4:]):
        vectors = embedder.embed(batch, mean, ()).vectors[0]
        assert _cosines(vectors, last_means(embedder, batch).numpy()).min() > 0.999


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=ON_GPU)])
def test_inputs_prepared_by_processes_are_embedded_alike(device: str, tmp_path: Path) -> None:
    folder, dataset = save(tmp_path / "qwen", GENERATIVE["qwen2_vl"]), write_data_set(tmp_path)
    settings = ModelSettings(name=str(folder), dtype="bfloat16")
    facts = describe_model(settings)
    embedder, processes = load_with_processes(
        partial(load_embedder, settings, facts, device, tmp_path),
        partial(load_processor, settings, facts, tmp_path),
        Placement(device=device, input_processes=1),
    )
    assert processes is not None
    run(embedder, dataset, tmp_path / "there", processes=processes)
    run(embedder, dataset, tmp_path / "here")
    processes.close()
    there, here = (load_embeddings(tmp_path / name) for name in ("there", "here"))
    assert there.labels.equals(here.labels)
    np.testing.assert_array_equal(np.concatenate([*there.blocks()]), np.concatenate([*here.blocks()]))


def _cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    a, b = (side.astype(np.float64) for side in (one, other))
    cosines: np.ndarray = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return cosines
