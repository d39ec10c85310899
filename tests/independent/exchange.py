"""What a second implementation of the paper's evaluation needs, as plain files: nothing of ours is to be read for it.

``python -m tests.independent.exchange FOLDER`` runs ``protocol: paper`` on a small data set and leaves in FOLDER:

- ``exchange.json``: ``model``, a folder that transformers loads as AutoModelForImageTextToText with its processor, once
  ``pipeline_core.reference.vision`` is imported, which makes its picture tower known; ``dtype`` that it is to run in;
  ``ks``; ``beta`` and ``eps`` of ReAlign; ``pooling``, ``mask`` and ``layer`` of the embedding.
- ``samples.jsonl``: ``id``, ``text`` or null, ``image`` (a path below FOLDER) or null. Prompts are the paper's: they
  follow from what a sample consists of, and are not given.
- ``tasks.json``: for each task its name, such as ``t2i``; ``queries`` and ``pool``, ids of samples in the order in
  which equal scores are to be taken; ``qrels``, from the id of a query to those of its right answers. A query without
  any is a miss. So is one in ``quarantined``, whose picture cannot be read: it has no sample.
- ``hit_rates.json``: what we found, in the layout that an implementation prints: by task, then by ``raw`` and
  ``realign`` (the released code's), then by k, a share of all queries.

``released_evaluation.py FOLDER`` prints its own ``hit_rates.json``.
"""

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline_core.config import load_config
from pipeline_core.dataset.sources.emoji.records import EmojiRecord, read_emoji_records
from pipeline_core.planner.execution import carry_out
from pipeline_core.planner.planning import plan_analysis
from pipeline_core.reference.names import MLLM, resolve_reference
from pipeline_core.schema.parquet import read_table
from pipeline_core.store.artifacts import Store
from pipeline_core.user_cache import user_cache
from tests.dataset.sources.folder.making import write_lines, write_qrels

N = 10
"""Pictures, and as many names and lists of keywords."""

SYSTEMS = {"raw": "raw", "realign": "realign-code-transductive"}
TASKS = {"t2i": ("name", "picture"), "i2t": ("picture", "name"), "t2t": ("keywords", "name")}
UNANSWERED, BROKEN = "keywords:unanswered", "picture:broken"
DTYPE = "float32"
"""Given itself: half precision on a processor takes minutes, and its last digits are those of the machine."""

HitRates = dict[str, dict[str, dict[str, float]]]


def export(folder: Path) -> HitRates:
    """Run the protocol, and leave the files that the module names. Returns what we found."""
    records = _records()
    samples, quarantined = _samples(folder, records)
    tasks = [_task(name, records) for name in TASKS]
    write_lines(folder / "samples.jsonl", samples)
    tasks[1]["quarantined"] = quarantined
    (folder / "tasks.json").write_text(json.dumps(tasks, indent=1), encoding="utf-8")
    _write_data_set(folder, samples, tasks)
    found = _run(folder)
    about = {"model": str(resolve_reference(MLLM, user_cache("models"))), "dtype": DTYPE, "ks": [1, 5, 10], "beta": 0.1}
    about |= {"eps": 1e-5, "pooling": "mean", "mask": "all", "layer": "last, as the released code takes it"}
    (folder / "exchange.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
    (folder / "hit_rates.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    return found


def _records() -> list[EmojiRecord]:
    plain = [record for record in read_emoji_records() if record.tone is None and len(record.keywords) > 1]
    return plain[:: len(plain) // N][:N]


def _samples(folder: Path, records: list[EmojiRecord]) -> tuple[list[dict[str, Any]], list[str]]:
    """Write pictures, and return the samples that can be read, and the queries that cannot."""
    (folder / "pictures").mkdir(parents=True)
    samples: list[dict[str, Any]] = [{"id": UNANSWERED, "text": "nothing that is here", "image": None}]
    for record in records:
        picture = f"pictures/{record.code}.png"
        shutil.copy(record.picture, folder / picture)
        samples += [
            {"id": f"picture:{record.code}", "text": None, "image": picture},
            {"id": f"name:{record.code}", "text": record.name, "image": None},
            {"id": f"keywords:{record.code}", "text": ", ".join(record.keywords), "image": None},
        ]
    (folder / "pictures" / "broken.png").write_bytes(b"no picture")
    return sorted(samples, key=lambda sample: str(sample["id"])), [BROKEN]


def _task(name: str, records: list[EmojiRecord]) -> dict[str, Any]:
    asks, finds = TASKS[name]
    codes = sorted(record.code for record in records)
    queries = [f"{asks}:{code}" for code in codes] + [UNANSWERED] * (asks == "keywords")
    qrels = {f"{asks}:{code}": [f"{finds}:{code}"] for code in codes}
    pool = [f"{finds}:{code}" for code in codes]
    return {"task": name, "queries": queries, "pool": pool, "qrels": qrels, "quarantined": []}


def _write_data_set(folder: Path, samples: list[dict[str, Any]], tasks: list[dict[str, Any]]) -> None:
    """Write the same as a folder that we read: a query's split is test, its tasks are told apart by name."""
    root = folder / "data_set"
    root.mkdir()
    (root / "pictures").symlink_to("../pictures")
    shown: Mapping[str, dict[str, Any]] = {str(s["id"]): _item(s) for s in samples}
    shown = {**shown, BROKEN: {"image": "pictures/broken.png"}}
    asked = [(task, i) for task in tasks for i in (*task["queries"], *task["quarantined"])]
    write_lines(root / "queries.jsonl", [{"_id": f"{t['task']}/{i}", "task": t["task"], **shown[i]} for t, i in asked])
    found = sorted({i for task in tasks for i in task["pool"]})
    write_lines(root / "corpus.jsonl", [{"_id": i, **shown[i]} for i in found])
    judged = [f"{t['task']}/{i} {answer} 1" for t, i in asked for answer in t["qrels"].get(i, ())]
    first = found[0]
    judged += [f"{t['task']}/{i} {first} {int(i == BROKEN)}" for t, i in asked if i not in t["qrels"]]
    write_qrels(root, "test", judged)


def _item(sample: Mapping[str, Any]) -> dict[str, Any]:
    return {name: sample[name] for name in ("text", "image") if sample[name] is not None}


def _run(folder: Path) -> HitRates:
    settings = (
        "protocol=paper",
        f"model.dtype={DTYPE}",
        "compare_with=[]",
        "sae=[]",
        "dataset.name=folder",
        f"dataset.path={folder / 'data_set'}",
        "dataset.max_quarantine_share=0.5",
        "scoring.bootstrap=10",
        "scoring.permutations=10",
        "placement.batch_size=8",
    )
    plan = plan_analysis(load_config(settings=settings))
    store = Store(folder / "store")
    for stage in ("dataset", "activations", "retrieval"):
        (step,) = plan.of_stage(stage)
        carry_out(plan, step.name, store, lambda done, total: None)
    metrics = read_table(store.folder(plan.of_stage("retrieval")[0].key), "retrieval_metrics")
    rates = metrics.filter(metric="hit_rate", split="test").select("task_id", "system_id", "k", "value")
    rows = {(task, system.rpartition("/")[2], k): value for task, system, k, value in rates.iter_rows()}
    return {
        name: {ours: {str(k): rows[f"{name}_{name}", short, k] for k in (1, 5, 10)} for ours, short in SYSTEMS.items()}
        for name in TASKS
    }


if __name__ == "__main__":
    export(Path(sys.argv[1]))
