"""What a model does not take of a data set: cut and refused samples beside the others, resumed or not."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from pipeline_core.activations.limits import Limits
from pipeline_core.activations.plan import DatasetTables, needed_requests
from pipeline_core.activations.refusals import Refusal, check_refusals, check_share
from pipeline_core.activations.vectors import embedding_width, load_embeddings
from pipeline_core.contracts.validation import check_artifact
from pipeline_core.dataset.images import write_images
from pipeline_core.errors import DataError, ModelError
from pipeline_core.models.embedder import Embedded
from pipeline_core.models.generative import GenerativeEmbedder
from pipeline_core.models.representations import Representation
from pipeline_core.models.samples import Role, SampleInput
from pipeline_core.schema.parquet import read_table, write_table
from tests.activations.running import run
from tests.limits import write_limits
from tests.models import tiny, tiny_families, tiny_generative

STRIP, DAMAGED, ENDLESS = "image:04", "image:07", "name:11"


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> GenerativeEmbedder:
    folder = tiny_families.save(tmp_path_factory.mktemp("qwen"), tiny_generative.GENERATIVE["qwen2_vl"])
    embedder = tiny.load(folder, alias="qwen", max_tokens=90)
    assert isinstance(embedder, GenerativeEmbedder)
    return embedder


@pytest.fixture(scope="module")
def hard(dataset_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set with a strip, a damaged picture, and a text of 5,000 words."""
    folder = tmp_path_factory.mktemp("hard")
    shutil.copytree(dataset_folder, folder, dirs_exist_ok=True)
    Image.new("RGB", (1, 250)).save(folder / "4.png")
    (folder / "7.png").write_bytes((folder / "7.png").read_bytes()[:60])
    write_images(folder, [folder / f"{n}.png" for n in range(20)])
    table = read_table(folder, "samples")
    endless = pl.when(pl.col("sample_id") == ENDLESS).then(pl.lit("a red heart and " * 1250)).otherwise("text")
    write_table(folder, "samples", table.with_columns(text=endless))
    return folder


@pytest.fixture(scope="module")
def extracted(qwen: GenerativeEmbedder, hard: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("activations")
    run(qwen, hard, folder)
    return folder


def keys(table: pl.DataFrame) -> set[tuple[str, str]]:
    return set(table.select("sample_id", "prompt_id").iter_rows())


def test_what_is_refused_is_told_and_all_else_is_embedded(extracted: Path, hard: Path) -> None:
    refused = read_table(extracted, "refused")
    told = {(row["sample_id"], row["fault"], row["width"], row["height"]) for row in refused.iter_rows(named=True)}
    assert told == {
        (STRIP, "input", 1, 250),
        (STRIP.replace("image", "edit"), "input", 1, 250),
        (DAMAGED, "picture", None, None),
        (DAMAGED.replace("image", "edit"), "picture", None, None),
    }
    assert set(refused["model"]) == {"qwen"}
    reasons = dict(refused.select("sample_id", "reason").iter_rows())
    assert reasons[STRIP].startswith("cannot be prepared: absolute aspect ratio must be smaller than 200")
    assert reasons[DAMAGED].startswith("has a picture that cannot be decoded (parquet:images.parquet#7): ")
    asked = {(r.sample_id, r.prompt_id) for r in needed_requests(DatasetTables.read(hard), prompts=True)}
    assert keys(load_embeddings(extracted).labels) == asked - keys(refused)
    assert [r for r in check_artifact("activations", extracted) if not r.success] == []


def test_a_text_of_5000_words_is_cut_and_counted(extracted: Path) -> None:
    (row,) = read_table(extracted, "long_texts").iter_rows(named=True)
    assert (row["model"], row["sample_id"], row["prompt_id"], row["n_kept"]) == ("qwen", ENDLESS, "text", 90)
    assert row["n_tokens"] > 5000


def test_samples_that_share_no_batch_with_such_ones_are_what_they_were(
    extracted: Path, qwen: GenerativeEmbedder, dataset_folder: Path, tmp_path: Path
) -> None:
    run(qwen, dataset_folder, tmp_path)
    hard, easy = load_embeddings(extracted), load_embeddings(tmp_path)
    both = hard.labels.filter(pl.col("sample_id") != ENDLESS).join(easy.labels, on=["sample_id", "prompt_id"])
    one, other = hard.take(both["row"].to_numpy()), easy.take(both["row_right"].to_numpy())
    np.testing.assert_allclose(one, other, atol=1e-4)
    assert (one == other).all(axis=1).mean() > 0.5


def test_a_resumed_extraction_keeps_its_refusals(
    extracted: Path, qwen: GenerativeEmbedder, hard: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "resumed"
    shutil.copytree(extracted, folder)
    (folder / "refused" / "00000.parquet").unlink()
    (folder / "embeddings" / "00001.parquet").unlink()
    kept = [folder / table / "00002.parquet" for table in ("refused", "embeddings", "long_texts", "tokens")]
    before = [file.stat().st_ino for file in kept]
    run(qwen, hard, folder)
    assert [file.stat().st_ino for file in kept] == before
    files = sorted(file.relative_to(extracted) for file in extracted.rglob("*.parquet"))
    assert all((folder / file).read_bytes() == (extracted / file).read_bytes() for file in files)


def test_shards_of_refused_samples_alone_are_shards(
    extracted: Path, qwen: GenerativeEmbedder, hard: Path, tmp_path: Path
) -> None:
    run(qwen, hard, tmp_path, shard_size=1)
    one, other = load_embeddings(tmp_path), load_embeddings(extracted)
    assert one.labels.equals(other.labels)
    assert embedding_width(tmp_path) == other.width
    assert keys(read_table(tmp_path, "refused")) == keys(read_table(extracted, "refused"))
    assert [r for r in check_artifact("activations", tmp_path) if not r.success] == []


class Small:
    """A model on a device that never has room for some samples."""

    def __init__(self, model: GenerativeEmbedder, too_large: str, fail: Callable[[], None]) -> None:
        self._model, self._too_large, self._fail = model, too_large, fail
        self.facts, self.prepare, self.attend = model.facts, model.prepare, model.attend
        self.image_grid, self.representations = model.image_grid, model.representations
        self.remembering_pictures = model.remembering_pictures

    def embed(
        self, samples: Sequence[SampleInput], representations: Sequence[Representation], token_roles: Sequence[Role]
    ) -> Embedded:
        if any(sample.sample_id.startswith(self._too_large) for sample in samples):
            self._fail()
        return self._model.embed(samples, representations, token_roles)


def device_is_full() -> None:
    raise torch.OutOfMemoryError("no room")


def memory_is_full() -> None:
    torch.empty(2**60, dtype=torch.uint8)


def array_is_too_large() -> None:
    np.empty(2**60, dtype=np.uint8)


@pytest.mark.parametrize("fail", [device_is_full, memory_is_full, array_is_too_large])
def test_a_sample_that_never_fits_is_refused_with_its_size(
    fail: Callable[[], None], qwen: GenerativeEmbedder, dataset_folder: Path, tmp_path: Path
) -> None:
    (refusal,) = run(Small(qwen, "image:09", fail), dataset_folder, tmp_path)
    assert (refusal.sample_id, refusal.fault, refusal.width, refusal.height) == ("image:09", "memory", 50, 40)
    alone = SampleInput("", "", tiny.picture(9), None, "Summarize the above image in one word:")
    assert refusal.n_tokens == len(qwen.prepare([alone]).roles[0])
    assert refusal.reason.startswith("alone does not fit the device's memory")
    assert load_embeddings(tmp_path).labels.filter(sample_id="image:09").is_empty()


def test_a_fault_of_the_model_still_ends_the_extraction(hard: Path, tmp_path: Path) -> None:
    embedder = tiny.load(tiny_families.save(tmp_path / "model", tiny_generative.GENERATIVE["qwen2_vl"]))
    assert isinstance(embedder, GenerativeEmbedder)
    embedder._decoder.layers[1].mlp.down_proj.weight.data[3, 3] = torch.nan
    with pytest.raises(ModelError, match=r"not finite for sample \S+ in layer 2"):
        run(embedder, hard, tmp_path)


def test_more_refusals_than_are_put_up_with_are_an_error_with_the_first_reasons() -> None:
    refusals = [Refusal(f"s{n}", "none", "input", f"reason {n}") for n in range(4)]
    check_share("m", refusals[:2], 40, 0.05)
    with pytest.raises(DataError) as told:
        check_share("m", refusals, 40, 0.05)
    begins, ends = (
        "4 of 40 samples that m is to embed cannot be used (10.0%, allowed 5.0%): s0: reason 0; s1: reason 1; "
        "s2: reason 2; ...; all are in ",
        ".csv; mend these rows, or raise activations.max_refused_share: what was embedded is kept",
    )
    assert str(told.value).startswith(begins)
    assert str(told.value).endswith(ends)


def test_a_task_that_loses_all_its_test_queries_is_an_error(dataset_folder: Path, tmp_path: Path) -> None:
    asked = read_table(dataset_folder, "queries").filter(task_id="it2t", split="test")
    lost = tuple(asked.select("sample_id", "prompt_id").iter_rows())
    write_limits(tmp_path, lost[1:])
    check_refusals(tmp_path, dataset_folder, 100, 0.5)
    write_limits(tmp_path, lost)
    with pytest.raises(DataError, match=r"^model can embed none of the 4 queries of the task it2t in the split test: "):
        check_refusals(tmp_path, dataset_folder, 100, 0.5)


@pytest.mark.parametrize("prompt", ["image", "none"])
def test_limits_are_found_again_by_sample_and_prompt(tmp_path: Path, prompt: str) -> None:
    write_limits(tmp_path, (("a", prompt),), {("b", prompt): "0" * 32})
    asked = pl.DataFrame({"sample_id": ["b", "a", "a", "c"], "prompt_id": ["image", "text", "image", "image"]})
    marked = Limits.read(tmp_path).marked(asked)
    assert marked["refused"].to_list() == [False, prompt == "none", True, False]
    assert marked["kept"].to_list() == ["0" * 32, None, None, None]
    assert marked.select(asked.columns).equals(asked)
    assert Limits.none().embedded(asked).equals(asked)
