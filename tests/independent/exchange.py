"""What a second implementation of the paper's evaluation needs, as plain files: nothing of ours is to be read for it.

``python -m tests.independent.exchange FOLDER`` runs ``protocol: paper`` on all queries of the demo's test split from
names to pictures, back, and from keywords to names, and leaves in FOLDER:

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
from pipeline_core.dataset.sources.emoji import EmojiSettings
from pipeline_core.dataset.sources.emoji.reading import read_emoji
from pipeline_core.dataset.tables import Dataset
from pipeline_core.dataset.tasks import Sample, Task
from pipeline_core.planner.execution import carry_out
from pipeline_core.planner.planning import plan_analysis
from pipeline_core.reference.names import MLLM, resolve_reference
from pipeline_core.schema.parquet import read_table
from pipeline_core.store.artifacts import Store
from pipeline_core.user_cache import user_cache
from tests.dataset.sources.folder.making import write_lines, write_qrels

SYSTEMS = {"raw": "raw", "realign": "realign-code-transductive"}
TASKS = {"t2i": "t2i", "i2t": "i2t", "t2t": "t2t_keywords_name"}
"""The demo's tasks by what they are called here."""

UNANSWERED, BROKEN = "keywords:unanswered", "image:broken"
DTYPE = "float32"
"""Given itself: half precision on a processor takes minutes, and its last digits are those of the machine."""

HitRates = dict[str, dict[str, dict[str, float]]]


def export(folder: Path, most: int | None = None) -> HitRates:
    """Run the protocol, and leave the files that the module names. Returns what we found.

    Args:
        folder: where they are left.
        most: takes that many emoji alone, with all that they are called.
    """
    demo = read_emoji(EmojiSettings())
    tasks = [_task(name, demo, most) for name in TASKS]
    needed = {i for task in tasks for i in (*task["queries"], *task["pool"])} - {UNANSWERED}
    samples = _samples(folder, [sample for sample in demo.samples if sample.sample_id in needed])
    write_lines(folder / "samples.jsonl", samples)
    (folder / "tasks.json").write_text(json.dumps(tasks, indent=1), encoding="utf-8")
    _write_data_set(folder, samples, tasks)
    found = _run(folder)
    about = {"model": str(resolve_reference(MLLM, user_cache("models"))), "dtype": DTYPE, "ks": [1, 5, 10], "beta": 0.1}
    about |= {"eps": 1e-5, "pooling": "mean", "mask": "all", "layer": "last, as the released code takes it"}
    (folder / "exchange.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
    (folder / "hit_rates.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    return found


def _samples(folder: Path, shown: list[Sample]) -> list[dict[str, Any]]:
    """Write pictures, one of them broken, and return the samples that can be read."""
    (folder / "pictures").mkdir(parents=True)
    (folder / "pictures" / "broken.png").write_bytes(b"no picture")
    samples: list[dict[str, Any]] = [{"id": UNANSWERED, "text": "nothing that is here", "image": None}]
    for sample in shown:
        picture = None
        if sample.picture:
            picture = f"pictures/{sample.picture.place.file.name}"
            shutil.copy(sample.picture.place.file, folder / picture)
        samples.append({"id": sample.sample_id, "text": sample.text, "image": picture})
    return sorted(samples, key=lambda sample: str(sample["id"]))


def _task(name: str, demo: Dataset, most: int | None) -> dict[str, Any]:
    """Return one of the demo's tasks on its test split; equal keywords are one sample, of several right names.

    Keywords, too, search all names, also of emoji that have none: a folder's texts are one corpus.
    """
    by_id = {task.task_id: task for task in demo.tasks}
    task, whole = by_id[TASKS[name]], by_id["t2i" if name == "t2i" else "i2t"]
    codes = _codes(by_id[TASKS["t2t"]], most)

    def wanted(sample_id: str) -> bool:
        return most is None or sample_id.partition(":")[2] in codes

    asked = {q.sample_id: q for q in task.queries if q.split == "test" and wanted(q.sample_id)}
    pool = sorted(filter(wanted, whole.candidates["test"]))
    qrels = {i: sorted(asked[i].relevant.keys() & set(pool)) for i in sorted(asked)}
    queries = sorted(asked) + [UNANSWERED] * (name == "t2t")
    return {
        "task": name,
        "queries": queries,
        "pool": pool,
        "qrels": {i: right for i, right in qrels.items() if right},
        "quarantined": [BROKEN] if name == "i2t" else [],
    }


def _codes(task: Task, most: int | None) -> set[str]:
    found = sorted(query.sample_id.partition(":")[2] for query in task.queries if query.split == "test")
    return set(found[:: len(found) // most][:most]) if most else set(found)


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
    first = next(i for i in found if i.startswith("name:"))
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
