import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from pipeline_core.sae.architectures.topk import TopKSettings
from pipeline_core.sae.settings import DEFAULT_SAES, BroughtSae, Saes, SaeSettings
from tests.sae.formats.files import paper_file, saelens_folder

LIST: TypeAdapter[Any] = TypeAdapter(Saes)


def one(**given: object) -> Any:
    (sae,) = LIST.validate_python([given])
    return sae


def test_defaults_are_the_papers_and_a_centred_one_and_a_smaller_one_for_vectors() -> None:
    assert [(sae.states, sae.name, sae.centred) for sae in DEFAULT_SAES] == [
        ("tokens", "paper", False),
        ("tokens", "centred", True),
        ("vectors", "paper", False),
    ]
    assert [(sae.features, sae.k, sae.epochs, sae.batch_size) for sae in DEFAULT_SAES] == [
        (4096, 32, 5, 4096),
        (4096, 32, 5, 4096),
        (1024, 32, 60, 256),
    ]


def test_an_element_is_its_architectures_settings_or_brought(tmp_path: Path) -> None:
    assert isinstance(one(name="mine", k=3), TopKSettings)
    assert isinstance(one(**{"from": str(tmp_path)}), BroughtSae)


def test_a_list_survives_yaml_and_json(tmp_path: Path) -> None:
    paper_file(tmp_path / "sae.pt")
    given = LIST.validate_python([*DEFAULT_SAES, {"name": "mine", "k": 3}, {"from": str(tmp_path / "sae.pt"), "k": 7}])
    for text in (yaml.safe_dump(LIST.dump_python(given, mode="json")), LIST.dump_json(given)):
        assert LIST.validate_python(yaml.safe_load(text)) == given
    last = LIST.dump_python(given, mode="json")[-1]
    assert last == {"from": str(tmp_path / "sae.pt"), "name": "sae", "k": 7, "states": "tokens"}
    assert LIST.dump_python(given, mode="json")[-2]["k"] == 3


def test_plain_settings_become_their_architectures() -> None:
    (sae,) = LIST.validate_python([SaeSettings(name="mine", features=64)])
    assert sae == TopKSettings(name="mine", features=64)


def test_the_schema_lets_an_architectures_fields_pass() -> None:
    kinds = LIST.json_schema()["$defs"]
    assert kinds["SaeSettings"]["additionalProperties"] is True
    assert kinds["BroughtSae"]["additionalProperties"] is False
    json.dumps(LIST.json_schema())


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([{"name": "a", "k": 65, "features": 64}], "k is 65, which must not exceed features, 64"),
        ([{"name": "a", "kk": 3}], "there is no field 'kk'; known here: architecture, batch_size"),
        ([{"from": "x", "features": 3}], "there is no field 'features'; known here: from, k, name, states"),
        ([{"name": "a", "architecture": "gated"}], "there is no architecture 'gated'; architecture may be topk"),
        (
            [{"name": "a", "architecture": "jumprelu"}],
            "the architecture jumprelu is only read, not trained; architecture may be t",
        ),
        ([{"name": "a", "architecture": 3}], "there is no architecture '3'; architecture may be topk"),
        ([{"name": "a/b"}], "match pattern"),
        ([{"k": 3}], "Field required"),
        ([{"name": "a", "k": "many"}], "valid integer"),
        ([{"name": "a", "states": "words"}], "'tokens' or 'vectors'"),
        ([{"from": ""}], "at least 1 character"),
        (["paper"], r"a mapping, {name: NAME, ...} or {from: PATH}"),
        ([{"name": "a"}, {"name": "b"}, {"name": "a"}], "two autoencoders for tokens have the name 'a'"),
        ([{"from": "some/sae"}, {"from": "other/sae"}], "two autoencoders for tokens have the name 'sae'"),
    ],
)
def test_what_cannot_be_is_refused(given: list[object], told: str) -> None:
    with pytest.raises(ValidationError) as error:
        LIST.validate_python(given)
    first = error.value.errors()[0]
    assert told in first["msg"]


def test_an_analysis_may_do_without_autoencoders() -> None:
    assert LIST.validate_python([]) == ()


def test_a_mistake_is_placed_at_its_field() -> None:
    with pytest.raises(ValidationError) as error:
        LIST.validate_python([{"name": "a"}, {"name": "b", "k": 0}])
    assert [first["loc"] for first in error.value.errors()] == [(1, "k")]


def test_a_name_may_return_for_other_states() -> None:
    assert len(LIST.validate_python([{"name": "a"}, {"name": "a", "states": "vectors"}])) == 2


def test_a_brought_one_is_called_as_its_file_or_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paper_file(tmp_path / "sae_Qwen2-VL.pt")
    saelens_folder(tmp_path / "width 16k v1.5")
    brought = one(**{"from": "sae_Qwen2-VL.pt"})
    assert (brought.name, brought.source) == ("sae_Qwen2-VL", str(tmp_path / "sae_Qwen2-VL.pt"))
    assert one(**{"from": "width 16k v1.5"}).name == "width-16k-v1.5"
    assert one(**{"from": "width 16k v1.5", "name": "theirs"}).name == "theirs"


def test_a_link_of_a_cache_keeps_its_name(tmp_path: Path) -> None:
    paper_file(tmp_path / "9f86d081")
    (tmp_path / "sae.pt").symlink_to(tmp_path / "9f86d081")
    assert one(**{"from": str(tmp_path / "sae.pt")}).name == "sae"


def test_settings_do_not_wait_for_torch() -> None:
    slow = {"torch", "polars", "safetensors"}
    program = f"import sys, pipeline_core.sae.identity; print(sorted({slow} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
