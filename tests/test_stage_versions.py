"""A stage whose code changed has a new version, or somebody recorded that its output is the same."""

import json

from pipeline_core.pipeline import STAGES
from tests.stage_hashes import RECORD, current


def test_code_and_versions_move_together() -> None:
    recorded = json.loads(RECORD.read_text())
    changed = [name for name, now in current().items() if recorded.get(name) != now]
    assert not changed, (
        f"the code of the stages {', '.join(changed)} changed: raise their version in its stage.py if their "
        "output changed for equal inputs; then, either way, record the new state with `make stage-hashes`"
    )


def test_every_stage_names_a_module_that_exists() -> None:
    assert set(json.loads(RECORD.read_text())) == set(STAGES)
