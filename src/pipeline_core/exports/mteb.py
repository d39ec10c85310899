"""A run's results as mteb's board keeps them: ``results/<model>/<revision>/<task>.json``, which its ResultCache loads.

Each named system is a model of the board: raw embeddings by the model's own name, others with what was done to them. A
task's main score is nDCG@10, as in mteb's tasks of pictures; ``hit_rate_at_k`` and ``cv_recall_at_k``, two names of one
measure, are the share of queries with an answer among the first k. Tasks of M-BEIR have the names that mteb gives them.
"""

import json
import re
from pathlib import Path
from typing import Any

from pipeline_core.errors import StoreError
from pipeline_core.exports._kind import Export
from pipeline_core.library import Run

_SQL = Path(__file__).with_suffix(".sql")
_COLLECTIONS = {
    "cirr": "CIRR",
    "edis": "EDIS",
    "fashion200k": "Fashion200k",
    "fashioniq": "FashionIQ",
    "infoseek": "InfoSeek",
    "mscoco": "MSCOCO",
    "nights": "NIGHTS",
    "oven": "OVEN",
    "visualnews": "VisualNews",
    "webqa": "WebQA",
}
"""The data sets of M-BEIR, as mteb spells them in the names of their tasks."""

_OF_MBEIR = re.compile(rf"({'|'.join(_COLLECTIONS)})_task\d")
_NAMES = {"hit_rate": ("hit_rate", "cv_recall"), "mrr": ("mrr",), "ndcg": ("ndcg",), "recall": ("recall",)}
_MAIN = "ndcg_at_10"


class Mteb(Export):
    """A folder, a file a system and task."""

    name = "mteb"
    about = "retrieval scores as the JSON of mteb's board, a file a system and task"

    def write(self, run: Run, path: Path, model: str | None = None, sae_id: str | None = None) -> str:
        """Write the test scores of every model of the run, or of one."""
        if model not in (None, *run.models):
            raise StoreError(f"the run has no model {model!r}", f"it had {', '.join(run.models)}")
        revision = run.artifact("dataset").name
        with run.warehouse() as connection:
            rows = connection.sql(_SQL.read_text(encoding="utf-8"), params={"model": model}).fetchall()
        found: dict[tuple[str, str, str, str], dict[str, float]] = {}
        for system, artifact, task_id, task_type, metric, k, value in rows:
            scores = found.setdefault((system, artifact, task_id, task_type), {})
            scores |= {f"{name}_at_{k}": value for name in _NAMES[metric]}
        for (system, artifact, task_id, task_type), scores in found.items():
            folder = path / "results" / system.replace("/", "__").replace(" ", "_") / artifact
            folder.mkdir(parents=True, exist_ok=True)
            _save(folder / "model_meta.json", {"name": system, "revision": artifact})
            known = _OF_MBEIR.fullmatch(task_id)
            name = _board_name(known[1], task_type) if known else f"{run.record.config['dataset']['name']}-{task_id}"
            main = scores.get(_MAIN, next(reversed(scores.values())))
            languages = ["eng-Latn"] if known else []
            told = {
                "dataset_revision": revision,
                "task_name": name,
                "mteb_version": None,
                "scores": {"test": [{**scores, "main_score": main, "hf_subset": "default", "languages": languages}]},
                "evaluation_time": None,
                "kg_co2_emissions": None,
            }
            _save(folder / f"{name.replace('/', '_')}.json", told)
        return f'mteb.ResultCache("{path}").load_results()'


def _board_name(collection: str, task_type: str) -> str:
    return f"{_COLLECTIONS[collection]}{task_type.replace('->', '2').upper()}Retrieval"


def _save(path: Path, told: dict[str, Any]) -> None:
    path.write_text(json.dumps(told, ensure_ascii=False, indent=2), encoding="utf-8")


MEMBER = Mteb()
