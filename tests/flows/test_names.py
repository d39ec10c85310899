"""A run is named after its models, its data, and what differs from the demo."""

from pathlib import Path

import pytest

from flows.names import name_of
from pipeline_core.config import load_config


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ([], "reference-mllm and reference-contrastive on emoji"),
        (["compare_with=[]"], "reference-mllm on emoji"),
        (
            ["adaptations.realign.beta=0.2"],
            "reference-mllm and reference-contrastive on emoji, adaptations.realign.beta=0.2",
        ),
        (
            ["compare_with=[]", "features.share=0.1", "scoring.seed=1", "scoring.ks=[1]", "placement.threads=1"],
            "reference-mllm on emoji, features.share=0.1, scoring.ks=[1], 1 more",
        ),
    ],
)
def test_a_name_says_what_is_peculiar(settings: list[str], name: str) -> None:
    assert name_of(load_config(settings=tuple(settings))) == name


def test_a_folder_is_told_by_its_name(tmp_path: Path) -> None:
    config = load_config(settings=("compare_with=[]", "dataset.name=folder", f"dataset.path={tmp_path / 'holiday'}"))
    assert name_of(config) == "reference-mllm on folder holiday"
