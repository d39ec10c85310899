"""What others may try: another site's page, a name bound to this address, files that are no pictures, harmful SQL."""

import io
import struct
import zlib
from pathlib import Path

import httpx
import psutil
import pytest
from PIL import Image

from pipeline_core.app.guard import refusal
from pipeline_core.app.pages import sql as console
from pipeline_core.warehouse import query as asking


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:80", ""]
)
def test_a_name_that_is_not_this_machines_is_refused(client: httpx.Client, host: str) -> None:
    answer = client.get("/", headers={"host": host})
    assert (answer.status_code, "Retrieval Lens" in answer.text) == (403, True)
    assert "mean hit rate" not in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1:8642", "localhost:1", "localhost", "[::1]:8642", "192.168.0.7:80"])
def test_an_address_is_not(client: httpx.Client, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1", None])
def test_another_sites_page_posts_in_vain(client: httpx.Client, origin: str | None) -> None:
    headers = {"origin": origin} if origin else {}
    answer = client.post("/asked", content=_png(), headers=headers)
    assert answer.status_code == 403
    assert "another site" in answer.text


@pytest.mark.parametrize(
    ("site", "mode", "status"),
    [
        ("cross-site", "no-cors", 403),
        ("same-site", "cors", 403),
        ("cross-site", "navigate", 200),
        ("same-origin", "cors", 200),
        ("none", "navigate", 200),
    ],
)
def test_another_site_may_link_here_and_embed_nothing(client: httpx.Client, site: str, mode: str, status: int) -> None:
    headers = {"sec-fetch-site": site, "sec-fetch-mode": mode}
    assert client.get("/sql", params={"sql": "select 1"}, headers=headers).status_code == status


def test_every_answer_forbids_what_is_not_ours(client: httpx.Client) -> None:
    for address in ("/", "/nowhere", "/static/app.js", "/picture?dataset=x&ref=y", "/sql?form=csv&sql=select+1"):
        headers = client.get(address).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
    report = client.get("/report").headers["content-security-policy"]
    assert "connect-src" not in report
    assert "default-src 'none'" in report


def test_methods_that_change_nothing_need_no_origin() -> None:
    assert refusal("HEAD", {"host": "localhost"}) is None
    assert refusal("DELETE", {"host": "localhost"}) is not None


def _png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(out, "PNG")
    return out.getvalue()


def _bomb() -> bytes:
    """Return a PNG that says it has 30,000 x 30,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "the file is empty"),
        (b"no picture at all", "it is of no known format"),
        (_png()[:-30], "it is damaged"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "it is a drawing (SVG)"),
        (_bomb(), "the limit against bombs"),
    ],
)
def test_a_file_that_is_no_picture_is_told(client: httpx.Client, address: str, data: bytes, told: str) -> None:
    headers = {"origin": address, "accept": "application/json"}
    answer = client.post("/asked", content=data, headers=headers)
    assert answer.status_code == 400
    assert told in answer.json()["problem"]


@pytest.mark.parametrize("told_first", [True, False])
def test_a_picture_of_100_megabytes_is_refused_and_not_held(
    client: httpx.Client, address: str, told_first: bool
) -> None:
    block = bytes(1 << 20)
    headers = {"origin": address, "accept": "application/json"}
    if told_first:
        headers["content-length"] = str(100 << 20)
    before = psutil.Process().memory_info().rss
    answer = client.post("/asked", content=(block for _ in range(100)), headers=headers)
    assert answer.status_code == 413
    assert "more than 20 MB" in answer.json()["problem"]
    assert psutil.Process().memory_info().rss - before < 60 << 20


@pytest.mark.parametrize(
    "asked",
    [
        "/picture?dataset=..&ref=parquet:images.parquet%230",
        "/picture?dataset=../dataset&ref=file:x",
        "/picture?dataset=nobody&ref=file:/etc/passwd",
        "/static/../server.py",
        "/static/%2e%2e/server.py",
    ],
)
def test_no_file_beside_the_pictures_is_reached(client: httpx.Client, asked: str) -> None:
    answer = client.get(asked)
    assert answer.status_code == 404
    assert "root:" not in answer.text


def test_no_picture_is_shown_that_is_not_the_data_sets(client: httpx.Client, tiny_store: Path, tmp_path: Path) -> None:
    dataset = next((tiny_store / "dataset").iterdir())
    (tmp_path / "private.png").write_bytes(_png())
    private = Path("../" * len(dataset.parts)) / (tmp_path / "private.png").relative_to("/")
    assert (dataset / private).is_file()
    for place in (private, tmp_path / "private.png"):
        answer = client.get("/picture", params={"dataset": dataset.name, "ref": f"file:{place}"})
        assert (answer.status_code, "is no picture of a data set" in answer.text) == (404, True)
    for ref in (
        "file:manifest.json",
        "file:../../runs",
        "file:/etc/passwd",
        "parquet:../x#0",
        "parquet:images.parquet#99",
    ):
        answer = client.get("/picture", params={"dataset": dataset.name, "ref": ref})
        assert answer.status_code == 404, ref
        assert "root:" not in answer.text


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("drop table runs", "drop statements are refused"),
        ("insert into runs select * from runs", "insert statements are refused"),
        ("create table mine as select 1", "create statements are refused"),
        ("copy runs to 'stolen.csv'", "copy statements are refused"),
        ("attach 'other.duckdb'", "attach statements are refused"),
        ("set memory_limit = '1TB'", "set statements are refused"),
        ("select 1; drop table runs", "2 statements were given"),
        ("select * from read_text('/etc/passwd')", "file system operations are disabled"),
        ("select * from glob('/etc/*')", "file system operations are disabled"),
        ("select * from read_csv('https://evil.example')", "disabled"),
        ("select getenv('HOME')", "getenv"),
        ("select", "Parser Error"),
        ("-- $a = {\nselect $a", "a value at the head is not JSON"),
    ],
)
def test_sql_that_writes_or_reads_files_is_refused(client: httpx.Client, sql: str, told: str) -> None:
    for form in ("page", "csv"):
        answer = client.get("/sql", params={"sql": sql, "form": form})
        assert answer.status_code == (200 if form == "page" else 400)
        assert told.lower() in answer.text.lower()


def test_sql_that_never_ends_is_ended(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "LIMIT_SECONDS", 0.3)
    forever = "with recursive t as (select 1 as n union all select n + 1 from t) select max(n) from t"
    page = client.get("/sql", params={"sql": forever}).text
    assert "the question takes more than 0.3 s" in page


def test_sql_that_takes_all_memory_is_ended(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "LIMIT_MEMORY", "50MB")
    greedy = "select len(list(range)) from range(100000000)"
    assert "more memory than 50MB" in client.get("/sql", params={"sql": greedy}).text


def test_no_more_questions_are_answered_at_a_time_than_there_is_memory_for(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "LIMIT_SECONDS", 0.05)
    with console._places, console._places:
        assert "ask again in a moment" in client.get("/sql", params={"sql": "select 1"}).text
