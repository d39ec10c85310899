"""A store of a declared size, drawn from one seed: what pages are measured on where no model made so much.

``python -m benchmarks.generated STORE [FEATURES] [SAMPLES] [RUNS]`` writes 32,768 features, 1,000,000 samples (pictures
and texts in pairs) and 10 runs by default: 10 GB. Runs share data, embeddings and codes; features and scores are their
own. Pictures are 64, again and again.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from pipeline_core.dataset.images import write_images
from pipeline_core.report.files import REPORT_FILE
from pipeline_core.sae.architectures.topk import TopKSae
from pipeline_core.sae.formats import FORMATS, Provenance
from pipeline_core.schema import TABLES, tables_of
from pipeline_core.schema.parquet import columns_of, write_table
from pipeline_core.store.artifacts import Store
from pipeline_core.store.fingerprint import StageKey
from pipeline_core.store.journal import RunArtifact, journalled_run
from pipeline_core.warehouse.build import publish_runs

WIDTH, K, PICTURES, SHARD = 576, 32, 64, 100_000
QUERIES, DEPTH, EXAMPLES, PAIRS = 2000, 50, 8, 64
MODEL, SAE, REP = "generated", "generated/wide", "generated-rep"
CONFIG = {"adaptations": {"realign": {"beta": 0.1, "eps": 1e-5}}, "model": {"name": MODEL}}
TASKS = (("t2i", "t->i", "text", "image"), ("i2t", "i->t", "image", "text"))
SYSTEMS = (("raw", "identity"), ("mean_removal", "mean_removal"), ("realign", "realign"), ("pca", "pca"))
WORDS = [
    "red",
    "blue",
    "green",
    "round",
    "small",
    "large",
    "old",
    "new",
    "bright",
    "dark",
    "wooden",
    "metal",
    "soft",
    "hard",
    "cat",
    "dog",
    "tree",
    "house",
    "car",
    "boat",
]
KEY = {"sae_id": SAE, "rep_id": REP}


def main() -> None:
    """Write the store."""
    sizes = [int(size) for size in sys.argv[2:]]
    n_features, n_samples, n_runs = (*sizes, *(32_768, 1_000_000, 10)[len(sizes) :])
    root = Path(sys.argv[1])
    store = Store(root)
    shared = {
        "dataset": partial(dataset, n=n_samples // 2),
        f"activations/{MODEL}": partial(activations, n=n_samples // 2),
        f"sae/{SAE}": partial(autoencoder, n=n_features),
        f"codes/{SAE}": partial(codes, n=n_samples // 2, n_features=n_features),
        f"index/{MODEL}": partial(empty, "index"),
        "report": report,
    }
    for number in range(n_runs):
        own = {
            f"features/{SAE}": partial(features, n=n_features, n_samples=n_samples // 2, seed=number),
            f"retrieval/{MODEL}": partial(retrieval, n_samples=n_samples // 2, seed=number),
        }
        used = [published(store, name, build, 0) for name, build in shared.items()]
        used += [published(store, name, build, number) for name, build in own.items()]
        with journalled_run(root, "analyze", CONFIG | {"repetitions": number}, used):
            print(f"run {number + 1} of {n_runs}", flush=True)
    print(publish_runs(root))


def published(store: Store, name: str, build: Callable[[Path], None], number: int) -> RunArtifact:
    """Return what a run used, made once."""
    stage = name.partition("/")[0]
    key = StageKey(stage, 1, {"of": name, "number": number, "representation": {"pooling": "mean", "mask": "all"}})
    artifact, cached = store.materialize(key, build)
    return RunArtifact(name=name, stage=stage, fingerprint=artifact.fingerprint, cached=cached, seconds=1.0)


def empty(stage: str, folder: Path) -> None:
    """Write the tables of a stage that are not there yet, without rows."""
    for table in tables_of(stage):
        if not (folder / table.name).exists() and not (folder / table.file_name).exists():
            write_table(folder, table.name, pl.DataFrame(schema=columns_of(table.name)), shard=0)


def write(folder: Path, name: str, columns: dict[str, Any]) -> None:
    """Write a table from its columns; what is not given is NULL, and one value stands for all rows."""
    rows = pl.DataFrame({key: value for key, value in columns.items() if not np.isscalar(value)})
    one = {key: pl.lit(value) for key, value in columns.items() if np.isscalar(value)}
    missing = {key: pl.lit(None) for key in TABLES[name].arrow.names if key not in columns}
    typed = {key: kind for key, kind in columns_of(name).items() if key in {*columns, *missing}}
    write_table(folder, name, rows.with_columns(**one, **missing).cast(typed), shard=0)  # type: ignore[arg-type]


def ids(kind: str, numbers: np.ndarray) -> pl.Series:
    """Return the names of samples by their numbers."""
    return pl.Series(numbers).cast(pl.String).str.zfill(7).str.replace("^", f"{kind}:")


def dataset(folder: Path, n: int) -> None:
    """Write n pictures, n texts, two tasks over all of them."""
    random, every = np.random.default_rng(1), np.arange(n)
    words = pl.DataFrame({str(k): np.array(WORDS)[random.integers(len(WORDS), size=n)] for k in range(5)})
    image, text, none = ids("image", every), ids("text", every), pl.Series([None] * n, dtype=pl.String)
    refs = pl.Series(every % PICTURES).cast(pl.String).str.replace("^", "parquet:images.parquet#")
    common = {"group": pl.concat([pl.Series(every)] * 2).cast(pl.String), "split": "test"}
    write(folder, "samples", common | {
        "sample_id": pl.concat([image, text]),
        "modality": pl.concat([pl.Series(["image"] * n), pl.Series(["text"] * n)]),
        "text": pl.concat([none, words.select(pl.concat_str("*", separator=" ")).to_series()]),
        "image_ref": pl.concat([refs, none]),
    })  # fmt: skip
    write(folder, "pairs", {"image_id": image, "text_id": text, "split": "test"})
    chosen = random.choice(n, size=QUERIES, replace=False)
    tasks, names = list(zip(*TASKS, strict=True)), pl.Series(np.arange(QUERIES)).cast(pl.String)
    write(folder, "tasks", {
        "task_id": tasks[0], "task_type": tasks[1], "query_modality": tasks[2], "candidate_modality": tasks[3],
        "query_prompt_id": tasks[2], "candidate_prompt_id": tasks[3], "pool_id": tasks[3], "primary_k": 10,
        "control": "none", "description": "drawn", "unanswered": 0,
    })  # fmt: skip
    queries, qrels = [], []
    for task, _, asked, found in TASKS:
        own = {"task_id": pl.Series([task] * QUERIES), "query_id": names}
        splits = np.where(np.arange(QUERIES) % 2, "test", "support")
        queries.append(
            pl.DataFrame(own | {"sample_id": ids(asked, chosen), "split": splits}).with_columns(prompt_id=pl.lit(asked))
        )
        qrels.append(pl.DataFrame(own | {"sample_id": ids(found, chosen)}).with_columns(relevance=1))
    write(folder, "queries", dict(pl.concat(queries).to_dict()))
    write(folder, "qrels", dict(pl.concat(qrels).to_dict()))
    pools = pl.concat([pl.Series(["image"] * n), pl.Series(["text"] * n)])
    write(folder, "candidates", {"pool_id": pools, "sample_id": pl.concat([image, text])})
    empty("dataset", folder)
    with tempfile.TemporaryDirectory() as art:
        files = [Path(art) / f"{n}.png" for n in range(PICTURES)]
        for number, file in enumerate(files):
            Image.new("RGB", (96, 96), f"hsl({360 * number // PICTURES}, 60%, 55%)").save(file)
        write_images(folder, files)


def sharded(n: int) -> Iterator[tuple[int, str, pl.Series, int]]:
    """Yield shards of the samples: its number, their modality, their names, how many they are."""
    starts = [(kind, start) for kind in ("image", "text") for start in range(0, n, SHARD)]
    for shard, (kind, start) in enumerate(starts):
        numbers = np.arange(start, min(n, start + SHARD))
        yield shard, kind, ids(kind, numbers), len(numbers)


def activations(folder: Path, n: int) -> None:
    """Write embeddings with a large common mean, and axes that vary the less the later they come."""
    random = np.random.default_rng(2)
    scales = (1 / np.sqrt(1 + np.arange(WIDTH))).astype(np.float32)
    means = {kind: (3 * random.normal(size=WIDTH) * scales).astype(np.float32) for kind in ("image", "text")}
    for shard, kind, names, size in sharded(n):
        vectors = means["image"] + random.normal(size=(size, WIDTH)).astype(np.float32) * scales
        vectors += 0.3 * means[kind]
        offsets = pa.array(np.arange(0, size * WIDTH + 1, WIDTH, dtype=np.int32))
        columns = {"rep_id": [REP] * size, "sample_id": names.to_arrow(), "prompt_id": [kind] * size}
        table = pa.table(columns | {"n_tokens": pa.array([9] * size, pa.int32())})
        table = table.append_column("vector", pa.ListArray.from_arrays(offsets, pa.array(vectors.ravel())))
        write_table(folder, "embeddings", table, shard=shard)
    row = {"rep_id": REP, "model": MODEL, "layer": -1, "norm_position": "model", "pooling": "mean", "mask": "all"}
    kinds = {"attention_kind": "causal", "attention": "sdpa", "at_analysis_layer": True}
    write_table(folder, "representations", pl.DataFrame([row | kinds], schema=columns_of("representations")))
    for name in ("long_texts", "refused"):
        write_table(folder, name, pl.DataFrame(schema=columns_of(name)), shard=0)


def autoencoder(folder: Path, n: int) -> None:
    """Write an autoencoder of random directions."""
    rows = torch.nn.functional.normalize(torch.randn(n, WIDTH, generator=torch.Generator().manual_seed(3)))
    sae = TopKSae(rows, torch.zeros(n), rows.clone(), torch.zeros(WIDTH), K, centred=True)
    FORMATS["saelens"].write(folder, sae, Provenance(SAE, MODEL, "model"))
    empty("sae", folder)


def codes(folder: Path, n: int, n_features: int) -> None:
    """Write K features a sample, the first of them the most often."""
    random = np.random.default_rng(4)
    with pq.ParquetWriter(folder / TABLES["codes"].file_name, TABLES["codes"].arrow, compression="zstd") as writer:
        for _, kind, names, size in sharded(n):
            drawn = (n_features * random.random((size, K)) ** 3).astype(np.uint32)
            values = random.lognormal(0, 0.5, size=(size, K)).astype(np.float16)
            offsets = pa.array(np.arange(0, size * K + 1, K, dtype=np.int32))
            lists = {"features": pa.array(drawn.ravel()), "values": pa.array(values.ravel())}
            fixed = {"sae_id": SAE, "rep_id": REP, "level": "pooled", "prompt_id": kind}
            columns = {name: pa.array([value] * size) for name, value in fixed.items()} | {
                "sample_id": names.to_arrow()
            }
            columns |= {name: pa.ListArray.from_arrays(offsets, flat) for name, flat in lists.items()}
            table = pa.table(columns).select(TABLES["codes"].arrow.names)
            writer.write_table(table.cast(TABLES["codes"].arrow), row_group_size=8192)
    empty("codes", folder)


def features(folder: Path, n: int, n_samples: int, seed: int) -> None:
    """Write statistics, examples and pairs of n features."""
    random = np.random.default_rng(5 + seed)
    every, modality, energy = (
        np.arange(n),
        random.beta(0.6, 0.6, size=n),
        np.sort(random.lognormal(-4, 2, size=n))[::-1],
    )
    attribution = energy * random.normal(1, 0.3, size=n)
    rank = np.argsort(np.argsort(-attribution)) + 1
    write(folder, "features", KEY | {
        "feature_id": every, "frequency": np.minimum(1.0, 0.98 * (1 + every) ** -0.5),
        "energy": energy, "energy_rank": every + 1, "image_energy": energy * (1 - modality),
        "text_energy": energy * modality, "modality": modality,
        "bridge_diagonal": energy, "bridge_max": energy, "bridge_abs": 2 * energy, "attribution": attribution,
        "attribution_rank": rank, "in_top_energy": every < n // 100, "in_top_bridge": every < n // 100,
        "in_top_attribution": rank <= n // 100,
    })  # fmt: skip
    kinds = np.array(["image", "text"])
    drawn = random.integers(n_samples, size=n * 2 * EXAMPLES)
    of_texts = np.tile(np.repeat([0, 1], EXAMPLES), n).astype(bool)
    names = pl.select(pl.when(pl.Series(of_texts)).then(ids("text", drawn)).otherwise(ids("image", drawn))).to_series()
    write(folder, "feature_examples", KEY | {
        "feature_id": np.repeat(every, 2 * EXAMPLES), "modality": kinds[of_texts.astype(int)],
        "rank": np.tile(np.arange(1, EXAMPLES + 1), 2 * n),
        "sample_id": names, "prompt_id": kinds[of_texts.astype(int)],
        "value": np.tile(np.arange(EXAMPLES, 0, -1), 2 * n).astype(np.float32),
    })  # fmt: skip
    steps = np.unique(random.integers(n, size=PAIRS)) + 1
    others = (every[:, None] + steps) % n
    bridge = random.lognormal(-3, 1, size=others.size)
    write(
        folder,
        "feature_pairs",
        KEY | {"feature_id": np.repeat(every, len(steps)), "other_id": others.ravel(), "bridge": bridge},
    )
    write(folder, "energy_concentration", KEY | {
        "n_features": [n], "n_live": n, "n_holding": n // 20, "n_always_on": 1, "n_holding_always_on": 1,
        "always_on_energy": 0.1,
    })  # fmt: skip
    empty("features", folder)


def retrieval(folder: Path, n_samples: int, seed: int) -> None:
    """Write what systems found, drawn: answers to the queries of both tasks, ranks, scores."""
    random = np.random.default_rng(500 + seed)
    systems = [f"{MODEL}/{short}" for short, _ in SYSTEMS]
    same = {"model": MODEL, "study": "main", "control": "none", "named": True, "fit_on": "candidates", "seed": 0}
    labels = [short for short, _ in SYSTEMS]
    write(folder, "systems", same | {
        "system_id": systems, "rep_ids": [[REP]] * len(systems), "adaptation": [name for _, name in SYSTEMS],
        "label": labels, "method": labels,
    })  # fmt: skip
    pairs = [(system, task, found) for system in systems for task, _, _, found in TASKS]
    asked = np.arange(1, QUERIES, 2)
    queries, size = pl.Series(asked).cast(pl.String), len(asked)
    whole = {"system_id": np.repeat([p[0] for p in pairs], size), "task_id": np.repeat([p[1] for p in pairs], size)}
    ranks = random.geometric(0.02, size=size * len(pairs))
    write(folder, "retrieval_ranks", whole | {
        "split": "test", "query_id": pl.concat([queries] * len(pairs)), "family": pl.concat([queries] * len(pairs)),
        "first_relevant_rank": ranks, "n_relevant": 1,
    })  # fmt: skip
    hits = [ids(found, random.integers(n_samples, size=size * DEPTH)) for _, _, found in pairs]
    write(folder, "retrieval_hits", {name: np.repeat(values, DEPTH) for name, values in whole.items()} | {
        "query_id": pl.concat([pl.Series(np.repeat(queries.to_numpy(), DEPTH))] * len(pairs)),
        "rank": np.tile(np.arange(1, DEPTH + 1), size * len(pairs)), "sample_id": pl.concat(hits),
        "score": np.tile(np.linspace(1, 0, DEPTH, dtype=np.float32), size * len(pairs)), "relevant": False,
    })  # fmt: skip
    value = random.uniform(0.1, 0.6, size=len(pairs))
    write(folder, "retrieval_metrics", {
        "system_id": [p[0] for p in pairs], "task_id": [p[1] for p in pairs],
        "split": "test", "metric": "hit_rate", "k": 10,
        "value": value, "low": value - 0.02, "high": value + 0.02, "n_queries": size, "n_groups": size,
        "n_candidates": n_samples, "chance": 10 / n_samples,
    })  # fmt: skip
    empty("retrieval", folder)


def report(folder: Path) -> None:
    """Write a page that says nothing."""
    (folder / REPORT_FILE).write_text("drawn", encoding="utf-8")
    empty("report", folder)


if __name__ == "__main__":
    shutil.rmtree(sys.argv[1], ignore_errors=True)
    main()
