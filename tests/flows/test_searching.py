"""A search refuses a model or an index that is no longer what the run used, before it loads the model."""

from pathlib import Path

import pytest

from flows.searching import search_text
from pipeline_core.config import load_config
from pipeline_core.errors import QueryError, StoreError
from pipeline_core.models.facts import describe_model
from pipeline_core.store.artifacts import Artifact, Store
from pipeline_core.store.fingerprint import StageKey
from pipeline_core.store.journal import RunArtifact, journalled_run

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
        search_text(tmp_path, "a red heart", "image", 3, None)


def test_a_model_that_is_the_same_is_not_refused(tmp_path: Path) -> None:
    run(tmp_path, describe_model(MODEL).identity)
    with pytest.raises(StoreError, match=r"dataset/\w+ holds no table"):
        search_text(tmp_path, "a red heart", "image", 3, None)


@pytest.mark.parametrize("stage", ["dataset", "activations", "index"])
def test_a_damaged_artifact_is_named(tmp_path: Path, stage: str) -> None:
    made = run(tmp_path, describe_model(MODEL).identity)
    (damaged,) = (a for a in made.values() if a.stage == stage)
    (damaged.folder / "file").write_text("cont")
    with pytest.raises(StoreError, match=f"the artifact {stage}/{damaged.fingerprint} is damaged; run lens run"):
        search_text(tmp_path, "a red heart", "image", 3, None)
