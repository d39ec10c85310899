"""A search finds what was stored, and refuses a model or an index that is no longer what the run used."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.searching import open_searcher, read_question
from pipeline_core.activations.query import Question
from pipeline_core.config import load_config
from pipeline_core.dataset.images import ImageReader
from pipeline_core.errors import ConfigError, QueryError, StoreError
from pipeline_core.index.searcher import Searcher
from pipeline_core.models import loading
from pipeline_core.models.facts import describe_model
from pipeline_core.schema.parquet import read_table
from pipeline_core.store.artifacts import Store
from pipeline_core.store.fingerprint import StageKey
from pipeline_core.store.journal import RunArtifact, journalled_run
from pipeline_core.store.manifest import Artifact

CONFIG = load_config(settings=("model.name=reference-contrastive", "compare_with=[]"))
MODEL = CONFIG.model


def run(root: Path, source: str) -> dict[str, Artifact]:
    """Make a store with a completed run of a model that fingerprints know as ``source``."""
    names = {"dataset": None, f"activations/{MODEL.name}": source, f"index/{MODEL.name}": None}
    made = {
        name: Store(root).materialize(
            StageKey(name.split("/")[0], 1, source=known),
            lambda folder: (folder / "file").write_text("contents") and None,
        )[0]
        for name, known in names.items()
    }
    listed = [RunArtifact(name=name, stage=a.stage, fingerprint=a.fingerprint) for name, a in made.items()]
    with journalled_run(root, "analyze", CONFIG.model_dump(mode="json"), listed):
        pass
    return made


def test_a_model_that_has_changed_is_refused(tmp_path: Path) -> None:
    run(tmp_path, "reference:other")
    with pytest.raises(QueryError, match=f"the model {MODEL.name} has changed since the index was built; run lens run"):
        open_searcher(tmp_path)


def test_a_model_that_is_the_same_is_not_refused(tmp_path: Path) -> None:
    run(tmp_path, describe_model(MODEL).identity)
    with pytest.raises(StoreError, match=r"dataset/\w+ holds no table"):
        open_searcher(tmp_path)


@pytest.mark.parametrize("stage", ["dataset", "activations", "index"])
def test_a_damaged_artifact_is_named(tmp_path: Path, stage: str) -> None:
    made = run(tmp_path, describe_model(MODEL).identity)
    (damaged,) = (a for a in made.values() if a.stage == stage)
    (damaged.folder / "file").write_text("cont")
    with pytest.raises(StoreError, match=f"the artifact {stage}/{damaged.fingerprint} is damaged; run lens run"):
        open_searcher(tmp_path)


@pytest.fixture(scope="module")
def searcher(inline_store: Path) -> Searcher:
    return open_searcher(inline_store)


@pytest.fixture(scope="module")
def picture(inline_store: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """One of the run's own pictures: its sample id, and a file of it."""
    dataset = Store(inline_store).find("dataset", next((inline_store / "dataset").iterdir()).name).folder
    row = read_table(dataset, "samples").filter(modality="image").sort("sample_id").row(7, named=True)
    file = tmp_path_factory.mktemp("picture") / "some picture.png"
    with ImageReader(dataset) as reader:
        reader.open(row["image_ref"]).save(file)
    return row["sample_id"], file


def test_a_picture_finds_itself(searcher: Searcher, picture: tuple[str, Path]) -> None:
    sample, file = picture
    found = searcher.search(Question(picture=file), "image", 3)
    assert [hits[0].sample_id for hits in (found.raw, found.realign)] == [sample] * 2
    assert found.raw[0].score == pytest.approx(1.0, abs=1e-3)


def test_a_caption_finds_itself(searcher: Searcher, picture: tuple[str, Path]) -> None:
    _, file = picture
    (nearest, *_) = searcher.search(Question(picture=file), "image", 1).raw
    found = searcher.search(Question(nearest.text), "text", 1).raw[0]
    assert (found.text, found.score) == (nearest.text, pytest.approx(1.0, abs=1e-3))


@pytest.mark.parametrize(
    ("question", "problem"),
    [
        (Question(picture=Path("no/such.png")), r"no/such\.png cannot be read: No such file or directory"),
        (Question(picture=Path(__file__)), r"test_searching\.py cannot be read: it is of no known format"),
    ],
)
def test_a_question_that_cannot_be_asked_is_told(searcher: Searcher, question: Question, problem: str) -> None:
    with pytest.raises(QueryError, match=problem):
        searcher.search(question)


def test_a_picture_with_words_can_be_asked_where_the_data_have_none_such(
    searcher: Searcher, picture: tuple[str, Path]
) -> None:
    _, file = picture
    assert "image_text" not in searcher.tables.samples["modality"]
    found = searcher.search(Question("with a hat", file), "image", 3)
    alone = searcher.search(Question(picture=file), "image", 3)
    assert len(found.raw) == 3 and found.raw[0].score != pytest.approx(alone.raw[0].score, abs=1e-4)


@pytest.mark.parametrize("words", [None, "  "])
def test_an_empty_question_is_no_question(words: str | None) -> None:
    with pytest.raises(QueryError, match="there is nothing to search for"):
        Question(words)


def test_a_line_is_words_or_a_picture_with_words_or_without() -> None:
    assert read_question("it's a heart") == Question("it's a heart")
    assert read_question("--image 'a heart.png'") == Question(None, Path("a heart.png"))
    assert read_question("--image heart.png with a hat") == Question("with a hat", Path("heart.png"))
    for line in ("--image", "--image 'heart.png"):
        with pytest.raises(QueryError, match="names no picture; write --image 'FILE'"):
            read_question(line)


def test_a_device_that_is_not_here_is_refused(inline_store: Path) -> None:
    with pytest.raises(ConfigError, match=r"cuda:99, .*lens search --device"):
        open_searcher(inline_store, device="cuda:99")


def test_lines_are_answered_one_by_one_with_the_model_loaded_once(
    inline_store: Path, picture: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    loads, load = [], loading.load_embedder
    monkeypatch.setattr(loading, "load_embedder", lambda *given: loads.append(given) or load(*given))
    lines = f"a red heart\n\n--image '{picture[1]}'\n--image no/such.png\nlollipop\n"
    done = CliRunner().invoke(app, ["search", "-", "-k", "1", "--store", str(inline_store)], input=lines)
    assert (done.exit_code, len(loads)) == (2, 1)
    assert "no/such.png cannot be read" in done.stderr
    assert [done.stdout.count(found) for found in ("a red heart", "raw", picture[1].name)] == [1, 3, 1]
