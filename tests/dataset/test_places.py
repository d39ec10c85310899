"""Pictures are read from where they lie: whole files, rows of shards, members of tars."""

import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_core.dataset.images import ImageReader
from pipeline_core.dataset.places import Place, Places
from pipeline_core.errors import DataError
from tests.dataset.sources.folder.making import draw

N = 10


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same ten pictures in every place that there is."""
    root = tmp_path_factory.mktemp("places")
    data = [(root / draw(root, f"{n}.png", n)).read_bytes() for n in range(N)]
    (root / "sub").mkdir()
    table = pa.table({"image": [{"bytes": d, "path": None} for d in data], "raw": data, "nothing": [None] * N})
    pq.write_table(table, root / "sub" / "shard.parquet", row_group_size=4)
    with pa.ipc.new_stream(str(root / "stream.arrow"), table.schema) as out:
        out.write_table(table, max_chunksize=3)
    with pa.ipc.new_file(str(root / "file.arrow"), table.schema) as out:
        out.write_table(table)
    with tarfile.open(root / "some.tar", "w") as tar:
        for n, one in enumerate(data):
            member = tarfile.TarInfo(f"{n}.png")
            member.size = len(one)
            tar.addfile(member, io.BytesIO(one))
    (root / "source.json").write_text(json.dumps({"root": str(root)}))
    return root


def members(root: Path) -> list[Place]:
    with tarfile.open(root / "some.tar") as tar:
        return [Place(root / "some.tar", m.offset_data, size=m.size) for m in tar]


def rows(file: Path, column: str) -> list[Place]:
    return [Place(file, n, column) for n in range(N)]


@pytest.mark.parametrize("kind", ["file", "parquet", "bytes", "stream", "arrow", "tar"])
def test_every_place_gives_the_same_pictures(root: Path, kind: str) -> None:
    places = {
        "file": [Place(root / f"{n}.png") for n in range(N)],
        "parquet": rows(root / "sub" / "shard.parquet", "image"),
        "bytes": rows(root / "sub" / "shard.parquet", "raw"),
        "stream": rows(root / "stream.arrow", "image"),
        "arrow": rows(root / "file.arrow", "image"),
        "tar": members(root),
    }[kind]
    with ImageReader(root) as reader:
        for n in (7, 0, 9, 3):
            reference = places[n].reference(root)
            assert Place.parse(reference, root) == places[n]
            assert reader.read_bytes(reference) == (root / f"{n}.png").read_bytes()


def test_rows_that_are_expected_are_read_once_in_any_order(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    whole = pq.ParquetFile.read_row_group

    def noted(self: pq.ParquetFile, number: int, **options: object) -> pa.Table:
        read.append(number)
        return whole(self, number, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", noted)
    order = rows(root / "sub" / "shard.parquet", "image")[::3] + rows(root / "sub" / "shard.parquet", "image")[1::3]
    with Places() as places:
        places.expect(order)
        for place in order:
            assert places.read(place) == (root / f"{place.at}.png").read_bytes()
    assert sorted(read) == [0, 1, 2]


@pytest.mark.parametrize(
    "reference",
    [
        "file:gone.png",
        "shard:sub/shard.parquet#image#10",
        "shard:sub/shard.parquet#absent#1",
        "shard:sub/shard.parquet#nothing#1",
        "shard:stream.arrow#absent#1",
        "shard:stream.arrow#image#99",
        "tar:some.tar#99999999+5",
        "tar:gone.tar#0+5",
        "shard:sub/shard.parquet#1",
        "tar:some.tar#5",
        "nowhere",
    ],
)
def test_what_is_not_there_is_told_in_one_line(root: Path, reference: str) -> None:
    with ImageReader(root) as reader, pytest.raises(DataError, match=reference.split("#", maxsplit=1)[0]) as error:
        reader.read_bytes(reference)
    assert error.value.remedy
    assert "\n" not in str(error.value)
