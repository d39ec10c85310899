"""A tiny store for the pages: the report's world with captions in HTML, vectors of 16 numbers, runs in the journal."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from pipeline_core.report.files import REPORT_FILE
from pipeline_core.sae.architectures.topk import TopKSae
from pipeline_core.sae.formats import FORMATS, Provenance
from pipeline_core.schema import TABLES
from pipeline_core.schema.parquet import read_table, write_table
from pipeline_core.store.artifacts import Store
from pipeline_core.store.fingerprint import StageKey
from pipeline_core.store.journal import RunArtifact, journalled_run
from pipeline_core.warehouse.build import publish_runs
from tests.contracts.artifacts import good_tables, write_tables
from tests.report.artifacts import N_FEATURES, make_run
from tests.report.sweep_artifacts import attention_of
from tests.report.world import ModelFolders, RunWorld
from tests.shared import filled_once

WIDTH, K = 16, 8
CONFIG = {"adaptations": {"realign": {"beta": 0.1, "eps": 1e-5}}, "model": {"name": "reference-mllm"}}
MODEL, SAE = "reference-mllm", "reference-mllm/paper"
HOSTILE_FILE = 'image:"><script>alert("file")</script>.png'
"""A sample that is named by a file which somebody named so."""


def tiny_store_of(factory: pytest.TempPathFactory) -> Path:
    """Return the store that workers share, with a warehouse over where it lies now; not to be changed."""
    store = filled_once(factory, "pages", fill) / "store"
    publish_runs(store)
    return store


def fill(folder: Path) -> None:
    """Write ``store`` with two runs, the second with another config, and the parts that it is made of."""
    root, parts = folder / "store", folder / "parts"
    world = make_run(parts, hostile=True)
    for part in sorted({file.parent for file in parts.rglob("*.parquet")}):
        _name_by_file(part)
    _ask_support(world.dataset)
    for n, model in enumerate(world.models):
        _embed(world.dataset, model, n)
    report = parts / "report"
    told = good_tables("report")
    for row, model in zip(told["models"], world.models, strict=True):
        row["model"] = model.name
    write_tables(report, told)
    (report / REPORT_FILE).write_text("the report")
    store = Store(root)
    used = list(_published(store, world, report))
    for config in (CONFIG | {"repetitions": 3}, CONFIG):
        with journalled_run(root, "compare", config, used):
            pass


def _name_by_file(folder: Path) -> None:
    for name in (name for name in TABLES if (folder / TABLES[name].file_name).is_file()):
        rows = read_table(folder, name)
        named = [column for column in ("sample_id", "image_id") if column in rows.columns]
        if named:
            write_table(folder, name, rows.with_columns(pl.col(named).replace("image:002", HOSTILE_FILE)))


def _published(store: Store, world: RunWorld, report: Path) -> list[RunArtifact]:
    folders = {"dataset": world.dataset, "report": report}
    folders[f"attention/{MODEL}"] = attention_of(MODEL, report.with_name("attention"))
    for model in world.models:
        parts = {"activations": model.activations, "retrieval": model.retrieval, "index": model.index}
        folders |= {f"{stage}/{model.name}": folder for stage, folder in parts.items()}
        for sae in model.saes:
            own = {"sae": sae.sae, "codes": sae.codes, "features": sae.features}
            folders |= {f"{stage}/{sae.sae_id}": folder for stage, folder in own.items()}
    used = []
    for name, folder in folders.items():
        stage = name.partition("/")[0]
        key = StageKey(stage, 1, {"of": name, "representation": {"pooling": "mean", "mask": "all"}})
        artifact, _ = store.materialize(key, lambda to, folder=folder: shutil.copytree(folder, to, dirs_exist_ok=True))
        used.append(RunArtifact(name=name, stage=stage, fingerprint=artifact.fingerprint, cached=False, seconds=1.0))
    return used


def _ask_support(dataset: Path) -> None:
    """Ask some queries in the support split, too: maps of queries are fitted on them."""
    queries = read_table(dataset, "queries")
    more = queries.filter(pl.col("query_id") >= "q016").with_columns(
        query_id=pl.concat_str(pl.lit("s"), "query_id"), split=pl.lit("support")
    )
    write_table(dataset, "queries", pl.concat([queries, more]))


def _embed(dataset: Path, model: ModelFolders, seed: int) -> None:
    """Write embeddings of all samples, of the model beside not the composed ones; an autoencoder, and its codes."""
    random = np.random.default_rng(seed)
    samples = read_table(dataset, "samples").filter((pl.col("modality") != "image_text") | (model.name == MODEL))
    vectors = (random.normal(size=(samples.height, WIDTH)) + 2.0).astype(np.float32)
    labels = samples.select("sample_id", prompt_id="modality").with_columns(
        rep_id=pl.lit(f"{model.name}-rep"), n_tokens=1
    )
    embedded = labels.with_columns(vector=pl.Series(vectors.tolist(), dtype=pl.List(pl.Float32)))
    write_table(model.activations, "embeddings", embedded.with_columns(pl.col("n_tokens").cast(pl.Int32)), shard=0)
    for own in model.saes:
        generator = torch.Generator().manual_seed(seed)
        rows = torch.nn.functional.normalize(torch.randn(N_FEATURES, WIDTH, generator=generator))
        bias = torch.randn(WIDTH, generator=generator)
        sae = TopKSae(rows, torch.zeros(N_FEATURES), rows.clone(), bias, K, centred=True)
        FORMATS["saelens"].write(own.sae, sae, Provenance(own.sae_id, model.name, "model"))
        codes = sae.encode(torch.from_numpy(vectors))
        ids, values = (part.reshape(-1, K).numpy() for part in (codes.ids, codes.values))
        told = labels.drop("n_tokens").with_columns(
            sae_id=pl.lit(own.sae_id),
            level=pl.lit("pooled"),
            features=pl.Series(ids.tolist(), dtype=pl.List(pl.UInt32)),
            values=pl.Series(values.tolist(), dtype=pl.List(pl.Float32)),
        )
        write_table(own.codes, "codes", told, shard=0)
