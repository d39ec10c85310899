"""Inputs prepared by processes ahead of the model: the same tables, whatever a sample, a process or a library does."""

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import loky
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from pipeline_core.activations.extract import plan_shards
from pipeline_core.activations.processes import InputProcesses, input_processes, load_with_processes
from pipeline_core.errors import DataError, ModelError
from pipeline_core.models.contrastive import ContrastiveEmbedder
from pipeline_core.models.embedder import Embedded, Embedder, PreparingEmbedder
from pipeline_core.models.facts import describe_model
from pipeline_core.models.generative import GenerativeEmbedder
from pipeline_core.models.loading import load_processor
from pipeline_core.models.samples import SampleInput
from pipeline_core.models.settings import ModelSettings
from pipeline_core.placement import Placement
from tests.activations.running import SHARD_SIZE, contents, run
from tests.models import tiny

SAVED = {"generative": tiny.save_llava, "dual": tiny.save_siglip}


def processes_for(embedder: Embedder, count: int = 2) -> InputProcesses:
    settings = ModelSettings(name=embedder.facts.place)
    load = partial(load_processor, settings, describe_model(settings), Path())
    assert isinstance(embedder, PreparingEmbedder)
    started = InputProcesses(load, count)
    started.serve(embedder)
    return started


@pytest.fixture(scope="module", params=SAVED)
def embedder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    """A model; the template of the generative one changes a word, so that it refuses samples that have it."""
    folder = SAVED[request.param](tmp_path_factory.mktemp(request.param) / "model")
    if request.param == "generative":
        changing = tiny.TEMPLATE.replace("part['text']", "part['text'] | replace('dogs', 'cats')")
        (folder / "chat_template.jinja").write_text(changing)
    return tiny.load(folder)


@pytest.fixture(scope="module")
def processes(embedder: Embedder) -> Iterator[InputProcesses]:
    started = processes_for(embedder)
    yield started
    started.close()


@pytest.fixture(scope="module")
def odd(dataset_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set with a picture that is none, and a text without words."""
    folder = tmp_path_factory.mktemp("odd") / "dataset"
    shutil.copytree(dataset_folder, folder)
    table = pq.read_table(folder / "images.parquet")
    rows = table.column("image").to_pylist()
    rows[3]["bytes"] = b"no picture"
    pq.write_table(pa.table({"image": pa.array(rows, table.schema.field("image").type)}), folder / "images.parquet")
    changed(folder, "name:03", "text", None)
    return folder


def changed(dataset: Path, sample_id: str, column: str, value: str | None) -> None:
    """Change a sample of a data set."""
    table = pq.read_table(dataset / "samples.parquet").to_pandas()
    table.loc[table["sample_id"] == sample_id, column] = value
    table.to_parquet(dataset / "samples.parquet")


def test_the_tables_are_those_of_one_process(
    embedder: Embedder, processes: InputProcesses, odd: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Byte by byte, with samples that the model refuses and a picture that cannot be decoded among the others."""
    refused = run(embedder, odd, tmp_path / "here")
    assert run(embedder, odd, tmp_path / "there", processes=processes) == refused
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    assert {one.fault for one in refused} == {"picture", "input"}
    assert not caplog.records


def test_they_prepare_every_batch_that_nothing_is_refused_of(
    embedder: Embedder, processes: InputProcesses, dataset_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, embed = list[tuple[str, ...]](), embedder.embed

    def noting(samples: list[SampleInput], *given: Any) -> Embedded:
        here.append(tuple(sample.sample_id for sample in samples))
        return embed(samples, *given)

    monkeypatch.setattr(embedder, "embed", noting)
    refused = {one.sample_id for one in run(embedder, dataset_folder, tmp_path, processes=processes)}
    shards = plan_shards(dataset_folder, embedder.facts.prompts, batch_size=5, shard_size=SHARD_SIZE)
    batches = [tuple(request.sample_id for request in batch) for shard in shards for batch in shard.batches]
    assert {batch for batch in batches if batch in here} == {batch for batch in batches if refused & {*batch}}
    assert any(batch not in here for batch in batches)
    assert bool(refused) == isinstance(embedder, GenerativeEmbedder)


def test_a_batch_that_does_not_fit_is_halved(
    embedder: Embedder, processes: InputProcesses, dataset_folder: Path, tmp_path: Path
) -> None:
    assert isinstance(embedder, GenerativeEmbedder | ContrastiveEmbedder)
    module = embedder._base if isinstance(embedder, GenerativeEmbedder) else embedder._model.text_model

    def no_room_for_two(_: object, __: object, kwargs: dict[str, torch.Tensor]) -> None:
        if len(next(iter(kwargs.values()))) > 2:
            raise torch.OutOfMemoryError("no room")

    handle = module.register_forward_pre_hook(no_room_for_two, with_kwargs=True)
    try:
        run(embedder, dataset_folder, tmp_path / "here")
        run(embedder, dataset_folder, tmp_path / "there", processes=processes)
    finally:
        handle.remove()
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


def test_a_picture_that_is_gone_names_its_sample(
    embedder: Embedder, processes: InputProcesses, dataset_folder: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "dataset"
    shutil.copytree(dataset_folder, broken)
    changed(broken, "image:07", "image_ref", "parquet:images.parquet#999")
    with pytest.raises(DataError, match="sample image:07: the picture"):
        run(embedder, broken, tmp_path / "there", processes=processes)


def test_a_processor_that_loads_nowhere_else_is_told_of_once_and_loses_nothing(
    dataset_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load = partial(tiny.load, tiny.save_llava(tmp_path / "model"))
    embedder, started = load_with_processes(load, partial(os.stat, "/no/such/folder"), Placement(input_processes=1))
    assert started is not None
    run(embedder, dataset_folder, tmp_path / "here")
    run(embedder, dataset_folder, tmp_path / "there", processes=started)
    started.close()
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    (record,) = caplog.records
    assert "No such file or directory" in record.getMessage()


def test_what_cannot_be_pickled_is_prepared_between_passes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    load = partial(tiny.load, tiny.save_llava(tmp_path / "model"))
    _, started = load_with_processes(load, lambda: None, Placement(input_processes=1))
    assert started is None
    (record,) = caplog.records
    assert record.getMessage().startswith("No processes prepare inputs (")


def test_processes_end_where_the_model_is_not_loaded_or_is_no_such_model(tmp_path: Path) -> None:
    one, other, before = Placement(input_processes=1), cast("Embedder", object()), psutil.Process().children()
    with pytest.raises(ModelError, match="no such model"):
        load_with_processes(partial(_fail, "no such model"), dict, one)
    assert load_with_processes(lambda: other, dict, one) == (other, None)
    started = [child for child in psutil.Process().children() if child not in before]
    assert not [child for child in started if "LokyProcess" in " ".join(child.cmdline())]


def _fail(problem: str) -> Embedder:
    raise ModelError(problem, "use another")


@pytest.mark.parametrize(
    ("placement", "cores", "count"),
    [
        (Placement(), 16, 0),
        (Placement(device="cuda:1"), 16, 8),
        (Placement(device="cuda", workers=4), 16, 3),
        (Placement(device="mps"), 1, 1),
        (Placement(device="cuda", input_processes=0), 16, 0),
        (Placement(input_processes=3), 2, 3),
    ],
)
def test_their_number_is_that_of_the_placement_or_of_cores_to_spare(
    placement: Placement, cores: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loky, "cpu_count", lambda: cores)
    assert input_processes(placement) == count
