"""The list of stages, and where those from outside stand in it."""

import pytest

from pipeline_core.config import RunConfig
from pipeline_core.errors import LensError
from pipeline_core.pipeline import _INSIDE, _OTHERS, STAGES, with_outside
from pipeline_core.stage import Input, ModelStage, ModelSubject, Work


def stage(called: str, *inputs: str) -> ModelStage:
    class Outside(ModelStage):
        name = called
        about = "Does something."

        def build(self, work: Work[ModelSubject]) -> None:
            raise AssertionError("it is only listed")

    Outside.inputs = tuple(map(Input, inputs))
    return Outside()


def test_inputs_come_before_what_reads_from_them_whatever_the_names() -> None:
    found = with_outside(_INSIDE, [stage("a", "b", "codes"), stage("b", "c"), stage("c", "dataset")])
    assert [*found] == [*STAGES, "c", "b", "a"]


@pytest.mark.parametrize(
    ("outside", "told"),
    [
        ([stage("codes")], "the stage 'codes' from outside is called as a section of the config; rename it"),
        ([stage("scoring")], "the stage 'scoring' from outside is called as"),
        ([stage("placement")], "the stage 'placement' from outside is called as"),
        ([stage("a", "dataset", "cods")], "the stage 'a' from outside reads from cods, which no stage before it makes"),
        ([stage("a", "b"), stage("b", "a")], "the stage 'a' from outside reads from b, which"),
    ],
)
def test_what_cannot_be_placed_is_told(outside: list[ModelStage], told: str) -> None:
    with pytest.raises(LensError, match=told):
        with_outside(_INSIDE, outside)


def test_the_names_kept_from_stages_are_the_configs_own_fields() -> None:
    assert set(RunConfig.model_fields) == _OTHERS
