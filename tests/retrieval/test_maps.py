import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from pipeline_core.errors import StoreError
from pipeline_core.retrieval import maps as maps_module
from pipeline_core.retrieval.adaptations.ledoit_wolf import ledoit_wolf
from pipeline_core.retrieval.adaptations.mean_removal import mean_removal
from pipeline_core.retrieval.adaptations.oas import oas
from pipeline_core.retrieval.adaptations.pca import pca
from pipeline_core.retrieval.adaptations.realign import realign
from pipeline_core.retrieval.adaptations.transport import transport
from pipeline_core.retrieval.adaptations.zca import zca
from pipeline_core.retrieval.maps import Centring, Identity, Map, Projection, Whitening, load_maps, save_maps, unit
from pipeline_core.retrieval.spectrum import spectrum
from tests.retrieval.clouds import D, embedding_like

SIDE, OTHER = spectrum(embedding_like(1)), spectrum(embedding_like(2))
KINDS: dict[str, Map] = {
    "identity": Identity(),
    "mean_removal": mean_removal(SIDE),
    "pca": pca(SIDE, 1e-5),
    "pca-r3": pca(SIDE, 1e-5, rank=3),
    "zca": zca(SIDE, 1e-5),
    "realign": realign(SIDE, 0.1, 1e-5),
    "realign-code": realign(spectrum(unit(embedding_like(1))), 0.1, 1e-5, unit_input=True),
    "ledoit_wolf": ledoit_wolf(SIDE),
    "oas": oas(SIDE),
    "transport": transport(OTHER, SIDE, 0.1)[0],
    "removal": Projection(np.linalg.qr(embedding_like(3, D))[0][:, :2]),
}
every_kind = pytest.mark.parametrize("fitted", KINDS.values(), ids=KINDS)


@every_kind
def test_what_is_applied_has_unit_norm_and_float32(fitted: Map):
    applied = fitted.apply(embedding_like(4))
    assert applied.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(applied, axis=1), 1.0, rtol=1e-5)


@every_kind
def test_rows_are_mapped_one_by_one_whatever_the_blocks(fitted: Map, monkeypatch: pytest.MonkeyPatch):
    vectors = embedding_like(5)
    whole = fitted.apply(vectors)
    monkeypatch.setattr(maps_module, "BLOCK", 7)
    np.testing.assert_allclose(fitted.apply(vectors), whole, atol=1e-5)
    np.testing.assert_allclose(fitted.apply(vectors[13:14]), whole[13:14], atol=1e-5)
    assert fitted.apply(vectors[:0]).shape == (0, whole.shape[1])


@every_kind
def test_memory_is_the_result_and_a_few_blocks(fitted: Map, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(maps_module, "BLOCK", 100)
    vectors = embedding_like(6, n=20_000)
    tracemalloc.start()
    result = fitted.apply(vectors)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < result.nbytes + 0.1 * vectors.nbytes


@every_kind
def test_saved_and_loaded_it_applies_alike(fitted: Map, tmp_path: Path):
    save_maps(tmp_path / "t2i.safetensors", {"queries": fitted, "candidates": Identity()})
    loaded = load_maps(tmp_path / "t2i.safetensors")
    assert {side: type(each) for side, each in loaded.items()} == {"queries": type(fitted), "candidates": Identity}
    vectors = embedding_like(7)
    np.testing.assert_array_equal(loaded["queries"].apply(vectors), fitted.apply(vectors))


def test_what_adaptations_share_is_written_once(tmp_path: Path):
    shared = {name: KINDS[name] for name in ("realign", "zca", "pca", "ledoit_wolf", "oas", "mean_removal")}
    for name, fitted in shared.items():
        save_maps(tmp_path / name, {name: fitted})
    save_maps(tmp_path / "all", shared)
    sizes = {file.name: file.stat().st_size for file in tmp_path.iterdir()}
    # Beyond the first, each adds its scales, and its lines of metadata.
    assert sizes["all"] < sizes["realign"] + 5 * (8 * D + 500)
    assert sizes["all"] < 0.8 * sum(sizes[name] for name in shared)
    loaded = load_maps(tmp_path / "all")
    realigned, whitened, components = loaded["realign"], loaded["zca"], loaded["pca"]
    assert isinstance(realigned, Whitening) and isinstance(whitened, Whitening) and isinstance(components, Whitening)
    assert realigned.back is realigned.basis is whitened.basis is components.basis
    assert components.back is None
    for name, fitted in shared.items():
        np.testing.assert_array_equal(loaded[name].apply(embedding_like(8)), fitted.apply(embedding_like(8)))


def test_arrays_of_equal_bytes_but_other_shape_are_not_confused(tmp_path: Path):
    bases = {f"r{rank}": np.zeros((D // rank, rank), dtype=np.float32) for rank in (1, 2)}
    save_maps(tmp_path / "file", {name: Projection(basis) for name, basis in bases.items()})
    for name, loaded in load_maps(tmp_path / "file").items():
        assert isinstance(loaded, Projection)
        assert loaded.basis.shape == bases[name].shape


def test_the_same_adaptations_are_the_same_bytes(tmp_path: Path):
    for name in ("first", "second"):
        save_maps(tmp_path / name, KINDS)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8])


@pytest.mark.parametrize(
    "damage",
    [
        Path.unlink,
        truncate,
        lambda path: path.write_bytes(b""),
        lambda path: save_file({"W_dec": np.eye(2)}, path),
        lambda path: save_file({}, path, metadata={"adaptations": "{"}),
        lambda path: save_file({}, path, metadata={"adaptations": '{"queries": {"kind": "Rotation", "fields": {}}}'}),
        lambda path: save_file({}, path, metadata={"adaptations": '{"queries": {"kind": "Centring", "fields": {}}}'}),
        lambda path: save_file(
            {}, path, metadata={"adaptations": '{"queries": {"kind": "Centring", "fields": {"mean": "gone"}}}'}
        ),
    ],
    ids=["missing", "truncated", "empty", "foreign", "no json", "unknown kind", "missing field", "missing tensor"],
)
def test_a_damaged_file_is_refused_in_one_line(damage, tmp_path: Path):
    path = tmp_path / "t2i.safetensors"
    save_maps(path, {"queries": KINDS["realign"]})
    damage(path)
    with pytest.raises(StoreError, match=r"the adaptations in t2i.safetensors cannot be read: .*; run lens verify"):
        load_maps(path)


def test_a_vector_equal_to_the_mean_becomes_zero_not_nan():
    ones = np.ones((1, D), dtype=np.float32)
    assert Centring(np.ones(D)).apply(ones).tolist() == [[0.0] * D]
    assert not Whitening(np.ones(D), np.eye(D, dtype=np.float32), np.ones(D), None).apply(ones).any()


def test_a_removed_subspace_a_thousand_times_the_rest_leaves_nothing():
    rng = np.random.default_rng(9)
    basis = np.linalg.qr(rng.standard_normal((D, 3)))[0].astype(np.float32)
    vectors = (rng.standard_normal((50, D)) + 1e3 * rng.standard_normal((50, 3)) @ basis.T).astype(np.float32)
    removal = Projection(basis)
    left = removal.apply(vectors)
    np.testing.assert_allclose(left @ basis, 0.0, atol=1e-6)
    np.testing.assert_allclose(removal.apply(left), left, atol=1e-6)
