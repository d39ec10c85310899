"""What is written for other tools holds what the run made, by readings of our own of the layouts that they publish."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from flows.cli import app
from pipeline_core import open_store
from pipeline_core.errors import LensError
from pipeline_core.exports import EXPORTS
from pipeline_core.exports.mteb import _board_name
from pipeline_core.library import Run
from pipeline_core.sae.formats import FORMATS

MODEL = "reference-contrastive"


@pytest.fixture(scope="module")
def run(inline_store: Path) -> Run:
    return open_store(inline_store).run()


def exported(form: str, path: Path, store: Path, *options: str) -> str:
    done = CliRunner().invoke(app, ["export", form, str(path), "--store", str(store), *options])
    assert done.exit_code == 0, done.output + str(done.exception)
    written, *hint = done.stdout.splitlines()
    assert written == str(path)
    return "".join(hint)


def test_the_atlas_has_text_a_plane_pictures_and_vectors(run: Run, inline_store: Path, tmp_path: Path) -> None:
    file = tmp_path / "deeper" / "atlas.parquet"
    assert exported("embedding-atlas", file, inline_store).startswith(f"embedding-atlas {file} --x x --y y --text text")
    table = pq.read_table(file)
    rows = pl.DataFrame(table.drop_columns(["vector", "picture"]))
    assert rows.null_count().sum_horizontal().item() == 0, "every picture of the run has a caption"
    embeddings = run.embeddings()
    assert rows.height == len(embeddings)
    vectors = np.stack(table["vector"].to_numpy())
    stored = embeddings.take(embeddings.rows_of(rows["sample_id"], rows["prompt_id"]))
    np.testing.assert_allclose(vectors, stored / np.linalg.norm(stored, axis=1, keepdims=True), atol=1e-6)
    plane = rows.select("x", "y").to_numpy()
    _, singular, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.linalg.norm(plane, axis=0), singular[:2], rtol=1e-3)
    assert abs(plane[:, 0] @ plane[:, 1]) < 1e-3 * singular[0] ** 2
    pictures = table["picture"].to_pylist()
    assert [picture is not None for picture in pictures] == [kind == "image" for kind in rows["modality"]]
    first = next(picture for picture in pictures if picture)
    assert max(Image.open(io.BytesIO(first["bytes"])).size) <= 96


def test_the_board_gets_each_score_under_the_name_that_it_reads(run: Run, inline_store: Path, tmp_path: Path) -> None:
    assert exported("mteb", tmp_path / "board", inline_store) == f'mteb.ResultCache("{tmp_path}/board").load_results()'
    stored = run.table(f"retrieval/{MODEL}", "retrieval_metrics").filter(split="test", task_id="t2i")
    for system, called in (("raw", MODEL), ("realign", f"{MODEL}-realign")):
        (revision,) = (tmp_path / "board" / "results" / called).iterdir()
        assert json.loads((revision / "model_meta.json").read_text()) == {"name": called, "revision": revision.name}
        result = json.loads((revision / "folder-t2i.json").read_text())
        assert {"dataset_revision", "task_name", "mteb_version", "scores", "evaluation_time"} <= result.keys()
        assert result["task_name"] == "folder-t2i"
        (scores,) = result["scores"]["test"]
        assert isinstance(scores["hf_subset"], str)
        assert isinstance(scores["languages"], list)
        assert scores["main_score"] == scores["ndcg_at_10"]
        own = stored.filter(system_id=f"{MODEL}/{system}").select("metric", "k", "value")
        assert {f"{m}_at_{k}": v for m, k, v in own.iter_rows()}.items() <= scores.items()
        assert scores["cv_recall_at_5"] == scores["hit_rate_at_5"]


def test_tasks_of_m_beir_have_the_board_s_names() -> None:
    assert _board_name("mscoco", "t->i") == "MSCOCOT2IRetrieval"
    assert _board_name("oven", "it->it") == "OVENIT2ITRetrieval"
    assert _board_name("fashion200k", "i->t") == "Fashion200kI2TRetrieval"


def test_batches_hold_every_feature_as_saedashboard_writes_it(run: Run, inline_store: Path, tmp_path: Path) -> None:
    exported("neuronpedia", tmp_path / "features", inline_store)
    statistics = run.features().sort("feature_id")
    files = sorted((tmp_path / "features").iterdir(), key=lambda file: int(file.stem.removeprefix("batch-")))
    batches = [json.loads(file.read_text()) for file in files]
    assert {(b["model_id"], b["sae_set"], b["layer"]) for b in batches} == {(MODEL, "paper", -1)}
    features = [feature for batch in batches for feature in batch["features"]]
    assert [feature["feature_index"] for feature in features] == statistics["feature_id"].to_list()
    codes = run.table(f"codes/{MODEL}/paper", "codes").filter(level="pooled")
    n_on = dict(codes["features"].explode().value_counts().iter_rows())
    lists = {"neg_str", "pos_str", "neuron_alignment_indices", "correlated_features_indices", "decoder_weights_dist"}
    lists |= {"logits_hist_data_bar_heights", "logits_hist_data_bar_values"}
    examples = run.table(f"features/{MODEL}/paper", "feature_examples")
    for feature in features:
        assert all(feature[name] == [] for name in lists)
        known = examples.filter(feature_id=feature["feature_index"])
        values = [activation["values"][0] for activation in feature["activations"]]
        assert values == sorted(known["value"], reverse=True)
        for activation in feature["activations"]:
            assert len(activation["tokens"]) == len(activation["values"]) == 1
            assert (activation["bin_max"], activation["qualifying_token_index"]) == (values[0], 0)
        assert feature["n_prompts_total"] == codes.height
        assert feature["frac_nonzero"] * codes.height == pytest.approx(n_on.get(feature["feature_index"], 0))
        assert sum(feature["freq_hist_data_bar_heights"]) == n_on.get(feature["feature_index"], 0)
    shown = {activation["tokens"][0] for feature in features for activation in feature["activations"]}
    assert any(text.startswith("[image] ") for text in shown)


def test_an_autoencoder_is_written_with_whose_it_is(inline_store: Path, tmp_path: Path) -> None:
    exported("saelens", tmp_path / "sae", inline_store)
    metadata = json.loads((tmp_path / "sae" / "cfg.json").read_text())["metadata"]
    assert (metadata["model_name"], metadata["hook_name"]) == (MODEL, "L-1/model")
    assert int(metadata["sae_lens_version"].split(".")[0]) >= 6, "SAELens drops what older versions say"


@pytest.mark.parametrize("form", [*EXPORTS, *FORMATS])
def test_a_place_where_nothing_can_be_written_is_the_system_s_to_tell_of(form: str, inline_store: Path) -> None:
    done = CliRunner().invoke(app, ["export", form, "/proc/none", "--store", str(inline_store)])
    assert isinstance(done.exception, OSError), done.exception
    assert str(done.exception).endswith("'/proc/none'")


def test_formats_are_listed_with_what_they_hold() -> None:
    listed = CliRunner().invoke(app, ["export"]).stdout
    for name in ("embedding_atlas", "mteb", "neuronpedia", "saelens", "sparsify"):
        assert name in listed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("csv", "x"), "there is no format 'csv'; lens export writes embedding_atlas, mteb, neuronpedia, dictionary"),
        (("mteb", "."), ". is there already; name a file or folder that is not"),
        (("mteb", "x", "--run", "nope"), "no run 'nope'"),
        (("mteb", "x", "--model", "nope"), "the run has no model 'nope'; it had reference-contrastive"),
        (("embedding_atlas", "x", "--model", "nope"), "had no step 'activations/nope'"),
        (("neuronpedia", "x", "--sae", "nope/x"), "had no step 'features/nope/x'"),
    ],
)
def test_what_cannot_be_written_is_told(
    inline_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    error = CliRunner().invoke(app, ["export", *arguments, "--store", str(inline_store)]).exception
    assert isinstance(error, LensError)
    assert words in str(error)
    assert list(tmp_path.iterdir()) == []


def test_an_autoencoder_whose_bytes_changed_does_not_leave_the_store(inline_store: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(inline_store, tmp_path / "store"))
    run = open_store(root).run()
    (weights, *_) = run.artifact(f"sae/{run.saes[0]}").glob("*.safetensors")
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(LensError, match=r"^the artifact sae/\w+ is damaged; run lens run to build it$"):
        run.export_sae(tmp_path / "sae", "saelens")
    assert not (tmp_path / "sae").exists()
