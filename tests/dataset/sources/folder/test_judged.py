"""The user's own queries: ``queries.jsonl``, ``corpus.jsonl``, ``qrels/<split>.tsv``."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pytest

from pipeline_core.contracts.validation import check_artifact
from pipeline_core.dataset.prompts import PROMPTS
from pipeline_core.dataset.sources.folder import FolderSettings
from tests.dataset.conftest import Built
from tests.dataset.sources.folder.conftest import Read
from tests.dataset.sources.folder.making import draw, refusal, write_captions, write_lines, write_qrels

JUDGED = ("task_id", "query_id", "sample_id", "relevance")


def texts(*ids: str) -> list[dict[str, str]]:
    return [{"_id": i, "text": f"text of {i}"} for i in ids]


def pictures(root: Path, *ids: str) -> list[dict[str, str]]:
    return [{"_id": i, "image": draw(root, f"art/{i}.png", sum(i.encode()))} for i in ids]


def write(root: Path, queries: Sequence[object], corpus: Sequence[object] = (), **qrels: Sequence[str]) -> None:
    write_lines(root / "queries.jsonl", queries)  # type: ignore[arg-type]
    if corpus:
        write_lines(root / "corpus.jsonl", corpus)  # type: ignore[arg-type]
    for split, rows in qrels.items():
        write_qrels(root, split, rows)


def rows(built: Built, table: str, *columns: str) -> set[tuple[object, ...]]:
    return set(built[table].select(columns).iter_rows())


def task(built: Built, task_id: str) -> dict[str, object]:
    return built["tasks"].row(by_predicate=pl.col("task_id") == task_id, named=True)


def test_a_benchmark_with_a_test_split_alone(root: Path, read: Read) -> None:
    write(root, texts("q1", "q2"), pictures(root, "a", "b", "c"), test=["q1 a 2", "q1 b 1", "q2 c 1"])
    built = read()
    assert task(built, "queries_t2i")["task_type"] == "t->i"
    assert built["tasks"].height == 1
    assert rows(built, "qrels", *JUDGED) == {
        ("queries_t2i", "query:q1", "corpus:a", 2),
        ("queries_t2i", "query:q1", "corpus:b", 1),
        ("queries_t2i", "query:q2", "corpus:c", 1),
    }
    assert rows(built, "queries", "query_id", "sample_id", "split", "prompt_id") == {
        ("query:q1", "query:q1", "test", "text"),
        ("query:q2", "query:q2", "test", "text"),
    }
    assert rows(built, "candidates", "split", "sample_id") == {(None, f"corpus:{i}") for i in "abc"}
    assert set(built["samples"]["split"]) == {"test"}
    assert rows(built, "pairs", "image_id", "text_id", "split") == {
        ("corpus:a", "query:q1", "test"),
        ("corpus:b", "query:q1", "test"),
        ("corpus:c", "query:q2", "test"),
    }
    assert built["quarantine"].is_empty()
    assert json.loads((built.folder / "source.json").read_text()) == {"root": str(root), "splits": "published"}


def test_every_split_asks_the_whole_corpus_and_training_asks_nothing(root: Path, read: Read) -> None:
    write(
        root,
        texts("q1", "q2", "q3"),
        pictures(root, "a", "b", "c", "d"),
        train=["q1 a 1"],
        support=["q2 b 1"],
        test=["q3 c 1", "q3 a 1"],
    )
    built = read()
    assert rows(built, "queries", "query_id", "split") == {("query:q2", "support"), ("query:q3", "test")}
    assert rows(built, "candidates", "split", "sample_id") == {(None, f"corpus:{i}") for i in "abcd"}
    assert [result for result in check_artifact("dataset", built.folder) if not result.success] == []
    # What answers in several splits, and what answers nothing, is kept furthest from training.
    splits = {"query:q1": "train", "query:q2": "support", "query:q3": "test"}
    splits |= {"corpus:a": "test", "corpus:b": "support", "corpus:c": "test", "corpus:d": "test"}
    assert dict(built["samples"].select("sample_id", "split").iter_rows()) == splits
    assert rows(built, "pairs", "image_id", "text_id", "split") == {
        ("corpus:b", "query:q2", "support"),
        ("corpus:a", "query:q3", "test"),
        ("corpus:c", "query:q3", "test"),
    }


def test_own_prompts_and_task_names(root: Path, read: Read) -> None:
    own = "Which picture has this shape?"
    queries = [
        {"_id": "q1", "text": "round", "prompt": f" {own} ", "task": "shape"},
        {"_id": "q2", "text": "round", "task": "shape"},
        {"_id": "q3", "text": "red", "prompt": PROMPTS["image"]},
        {"_id": "q4", "text": "blue", "prompt": ""},
    ]
    write(root, queries, pictures(root, "a", "b"), test=["q1 a 1", "q2 b 1", "q3 a 1", "q4 b 1"])
    built = read()
    prompt_id = f"own:{hashlib.sha256(own.encode()).hexdigest()[:12]}"
    assert dict(built["prompts"].iter_rows()) == {**PROMPTS, prompt_id: own}
    assert rows(built, "queries", "task_id", "query_id", "prompt_id") == {
        ("shape_t2i", "query:q1", prompt_id),
        ("shape_t2i", "query:q2", "text"),
        ("queries_t2i", "query:q3", "image"),
        ("queries_t2i", "query:q4", "text"),
    }
    assert rows(built, "qrels", *JUDGED) == {
        ("shape_t2i", "query:q1", "corpus:a", 1),
        ("shape_t2i", "query:q2", "corpus:b", 1),
        ("queries_t2i", "query:q3", "corpus:a", 1),
        ("queries_t2i", "query:q4", "corpus:b", 1),
    }
    assert dict(built["tasks"].select("task_id", "pool_id").rows()) == dict.fromkeys(
        ("shape_t2i", "queries_t2i"), "queries_t2i"
    )
    assert rows(built, "candidates", "pool_id", "sample_id") == {("queries_t2i", f"corpus:{i}") for i in "ab"}


def test_pictures_with_texts_ask_and_have_controls(root: Path, read: Read) -> None:
    corpus = pictures(root, "a", "b", "c")
    query = {"_id": "q", "text": "but blue", "image": "art/a.png", "prompt": "Change it."}
    write(root, [query], corpus, test=["q b 1"])
    built = read()
    kept = {"none": "image_text", "image_only": "image", "text_only": "text"}
    assert rows(built, "tasks", "task_id", "task_type", "control", "query_modality", "control_of") == {
        ("queries_it2i" if c == "none" else f"queries_it2i_{c}", "it->i", c, m, None if c == "none" else "queries_it2i")
        for c, m in kept.items()
    }
    assert task(built, "queries_it2i")["query_prompt_id"] == "image_question"
    asks = {"queries_it2i": "query:q", "queries_it2i_image_only": "picture_of_query:q"}
    asks |= {"queries_it2i_text_only": "text_of_query:q"}
    assert dict(built["queries"].select("task_id", "sample_id").iter_rows()) == asks
    (prompt_id,) = built["queries"]["prompt_id"].unique()
    assert dict(built["prompts"].iter_rows())[prompt_id] == "Change it."
    # Nobody looks for the picture that they show.
    assert rows(built, "exclusions", "task_id", "query_id", "sample_id") == {(t, "query:q", "corpus:a") for t in asks}
    shown = {"query:q": ("image_text", "but blue"), "picture_of_query:q": ("image", None)}
    shown |= {"text_of_query:q": ("text", "but blue"), **{f"corpus:{i}": ("image", None) for i in "abc"}}
    assert {i: (m, t) for i, m, t in rows(built, "samples", "sample_id", "modality", "text")} == shown
    assert built["pairs"].is_empty()


def test_what_a_query_shows_may_be_its_answer(root: Path, read: Read) -> None:
    corpus = [{"_id": "a", "text": "about a", "image": draw(root, "a.png", 1)}, *texts("b")]
    corpus.append({"_id": "same", "text": "other words", "image": "a.png"})
    write(root, [{"_id": "q", "text": "what is it", "image": "a.png"}], corpus, test=["q a 1", "q b 2"])
    built = read()
    assert rows(built, "exclusions", "sample_id") == {("corpus:same",)}
    answers = {"queries_it2it": ("corpus:a", 1), "queries_it2t": ("corpus:b", 2)}
    controls = {f"{name}_{kept}": answer for name, answer in answers.items() for kept in ("image_only", "text_only")}
    assert {t: (s, r) for t, _, s, r in rows(built, "qrels", *JUDGED)} == answers | controls


@pytest.mark.parametrize(
    ("query", "document", "task_id", "prompts"),
    [
        ("text", "text", "queries_t2t", ("text", "text")),
        ("text", "image", "queries_t2i", ("text", "image")),
        ("text", "both", "queries_t2it", ("text", "image_sentence")),
        ("image", "text", "queries_i2t", ("image", "text")),
        ("image", "image", "queries_i2i", ("image", "image")),
        ("image", "both", "queries_i2it", ("image", "image_sentence")),
        ("both", "text", "queries_it2t", ("image_sentence", "text")),
        ("both", "image", "queries_it2i", ("image_question", "image")),
        ("both", "both", "queries_it2it", ("image_and_sentence", "image_and_sentence")),
    ],
)
def test_each_pair_of_modalities_is_a_task(
    root: Path,
    tmp_path: Path,
    build: Callable[..., Built],
    query: str,
    document: str,
    task_id: str,
    prompts: tuple[str, str],
) -> None:
    def item(item_id: str, kind: str, number: int) -> dict[str, str]:
        text = {"text": f"text of {item_id}"} if kind != "image" else {}
        return {"_id": item_id, **text} | ({"image": draw(root, f"{item_id}.png", number)} if kind != "text" else {})

    write(root, [item("q", query, 1)], [item("d", document, 2)], test=["q d 1"])
    built = build(FolderSettings(path=root), tmp_path / "artifact")
    found = task(built, task_id)
    assert (found["query_prompt_id"], found["candidate_prompt_id"]) == prompts
    assert built["qrels"].filter(task_id=task_id)["sample_id"].to_list() == ["corpus:d"]


def test_titles_come_before_texts(root: Path, read: Read) -> None:
    corpus = [{"_id": "a", "title": "Tea", "text": "is hot"}, {"_id": "b", "title": "Ice"}, {"_id": 3, "text": "x"}]
    write(root, texts("q"), corpus, test=["q a 1", "q 3 1"])
    found = dict(read()["samples"].select("sample_id", "text").iter_rows())
    assert found == {"corpus:a": "Tea is hot", "corpus:b": "Ice", "corpus:3": "x", "query:q": "text of q"}


def test_equal_documents_are_judged_equally(root: Path, read: Read) -> None:
    corpus = [*pictures(root, "a", "b"), {"_id": "copy", "image": draw(root, "copy.png", sum(b"a"))}]
    write(root, texts("q"), corpus, test=["q a 3", "q copy 1"])
    built = read()
    assert rows(built, "qrels", "sample_id", "relevance") == {("corpus:a", 3), ("corpus:copy", 3)}
    assert dict(built["samples"].filter(modality="image").select("sample_id", "group").iter_rows()) == {
        "corpus:a": "corpus:a",
        "corpus:copy": "corpus:a",
        "corpus:b": "corpus:b",
    }


def test_one_look_in_two_splits_is_two_groups(root: Path, read: Read) -> None:
    corpus = [*pictures(root, "a"), {"_id": "copy", "image": draw(root, "copy.png", sum(b"a"))}]
    write(root, texts("q1", "q2"), corpus, support=["q1 a 1"], test=["q2 copy 1"])
    found = read()["samples"].filter(modality="image").select("sample_id", "group", "split")
    assert set(found.iter_rows()) == {("corpus:a", "corpus:a", "support"), ("corpus:copy", "corpus:copy", "test")}


def test_scores_of_zero_and_less_are_no_answers(root: Path, read: Read) -> None:
    write(root, texts("q1", "q2", "q3"), texts("a", "b", "c"), test=["q1 a 1", "q1 b 0", "q1 c -1", "q2 a 0"])
    built = read()
    assert rows(built, "qrels", "query_id", "sample_id", "relevance") == {("query:q1", "corpus:a", 1)}
    assert task(built, "queries_t2t")["unanswered"] == 1  # nobody asked q3 in the test split
    assert built["quarantine"].rows() == [
        ("queries.jsonl line 2", "no judged answer"),
        ("queries.jsonl line 3", "no judged answer"),
    ]


def test_bad_lines_are_quarantined_with_their_reason(root: Path, read: Read) -> None:
    draw(root, "art/good.png", 5)
    (root / "art/words.png").write_text("no picture")
    queries = [
        *texts("q1", "q1"),
        {"text": "no id"},
        {"_id": "q4"},
        {"_id": "q5", "text": 5},
        {"_id": "q6", "text": "x", "task": "a/b"},
        {"_id": True, "text": "x"},
        {"_id": "q8", "image": "art/gone.png"},
        {"_id": " q9 ", "text": "blanks"},
    ]
    corpus = [*texts("a"), {"_id": "b", "image": "art/words.png"}, {"_id": "c", "text": " ", "title": ""}]
    judgements = ["q1 a 1", "q1 a 2", "q1 zz 1", "q7 a 1", "q8 a 1", "q1 b 1", "q1 a", "q1 a 0.5", "q9 a 4294967296"]
    write(root, queries, corpus, test=[*judgements, "q9 a 1"])
    built = read(max_quarantine_share=0.9)
    no_number = "is no whole number up to 2147483647"
    assert dict(built["quarantine"].iter_rows()) == {
        "queries.jsonl line 2": "duplicate of queries.jsonl line 1",
        "queries.jsonl line 3": "no _id",
        "queries.jsonl line 4": "neither text nor image",
        "queries.jsonl line 5": "text is no text",
        "queries.jsonl line 6": "a task is called by letters, digits, - and _",
        "queries.jsonl line 7": "no _id",
        "queries.jsonl line 8": "image file not found: gone.png",
        "corpus.jsonl line 2": "unreadable image: words.png: it is of no known format",
        "corpus.jsonl line 3": "neither text nor image",
        "qrels/test.tsv line 3": "duplicate of qrels/test.tsv line 2",
        "qrels/test.tsv line 4": "corpus.jsonl has no usable zz",
        "qrels/test.tsv line 5": "queries.jsonl has no usable query q7",
        "qrels/test.tsv line 6": "queries.jsonl has no usable query q8",
        "qrels/test.tsv line 7": "corpus.jsonl has no usable b",
        "qrels/test.tsv line 8": "2 columns instead of 3",
        "qrels/test.tsv line 9": f"the score 0.5 {no_number}",
        "qrels/test.tsv line 10": f"the score 4294967296 {no_number}",
    }
    assert rows(built, "qrels", "query_id", "sample_id") == {("query:q1", "corpus:a"), ("query:q9", "corpus:a")}


def test_too_many_bad_lines_are_refused(root: Path, tmp_path: Path) -> None:
    write(root, texts("q"), texts("a"), test=["q a 1", "q b 1"])
    assert refusal(root, tmp_path) == (
        "1 of 4 rows of the data set cannot be used (25.0%, allowed 5.0%): qrels/test.tsv line 3: corpus.jsonl has no "
        "usable b; mend these rows, or raise dataset.max_quarantine_share"
    )


def test_queries_without_judgements_do_not_count_as_bad(root: Path, read: Read) -> None:
    write(root, texts(*(f"q{n}" for n in range(50))), texts("a"), test=["q0 a 1"])
    assert read(max_quarantine_share=0)["quarantine"].height == 49


def test_captioned_pictures_are_the_corpus(root: Path, read: Read) -> None:
    names = [draw(root, f"{n:02d}.png", n) for n in range(12)]
    write_captions(root, ("file_name", "text"), [(name, f"picture {name}") for name in names])
    write(root, texts("q1", "q2"), test=["q1 ./00.png 2", "q1 01.png 1"], train=["q2 02.png 1", "q2 00.png 1"])
    built = read()
    assert set(built["tasks"]["task_id"]) == {"i2t", "t2i", "queries_t2i"}
    found = built.searched().filter(task_id="queries_t2i")
    assert set(found.select("split", "sample_id").iter_rows()) == {(None, f"image:{name}") for name in names}
    assert rows(built, "qrels", *JUDGED) >= {
        ("queries_t2i", "query:q1", "image:00.png", 2),
        ("queries_t2i", "query:q1", "image:01.png", 1),
    }
    splits = dict(built["samples"].select("sample_id", "split").iter_rows())
    assert [splits[f"image:{name}"] for name in names[:3]] == ["test", "test", "train"]
    assert rows(built, "pairs", "image_id", "text_id", "split") >= {
        ("image:00.png", "query:q1", "test"),
        ("image:00.png", "text:00.png#1", "test"),
        ("image:02.png", "query:q2", "train"),
    }


@pytest.mark.parametrize("role", ["shown", "answering"])
def test_a_captioned_picture_that_a_query_needs_follows_the_query(root: Path, read: Read, role: str) -> None:
    """It would be trained on, and then be shown or found in the test split."""
    names = [draw(root, f"{n:02d}.png", n) for n in range(20)]
    write_captions(root, ("file_name", "text"), [(name, f"picture {name}") for name in names])
    needed = [{"_id": f"x{n}", "image": draw(root, f"again/{n}.png", n)} for n in range(20)]
    others = texts(*(f"y{n}" for n in range(20)))
    queries, corpus = (needed, others) if role == "shown" else (others, needed)
    write(root, queries, corpus, test=[f"{q['_id']} {d['_id']} 1" for q, d in zip(queries, corpus, strict=True)])
    built = read()
    assert set(built["samples"]["split"]) == {"test"}


def test_few_captioned_pictures_may_accompany_own_queries(root: Path, read: Read) -> None:
    write_captions(root, ("file_name", "text"), [(draw(root, "a.png", 1), "a")])
    write(root, texts("q"), texts("d"), test=["q d 1"])
    assert "queries_t2t" in set(read()["tasks"]["task_id"])


def test_what_no_task_needs_is_told(root: Path, read: Read) -> None:
    corpus = [*texts("a", "b"), *pictures(root, "c")]
    queries = [*texts("q1"), {"_id": "q2", "image": "art/c.png"}]
    write(root, queries, corpus, test=["q1 a 1"], train=["q2 b 1"])
    built = read()
    reason = "no task of support, validation or test has pictures"
    assert dict(built["quarantine"].iter_rows()) == {"queries.jsonl line 2": reason, "corpus.jsonl line 3": reason}
    assert set(built["samples"]["sample_id"]) == {"query:q1", "corpus:a", "corpus:b"}


def test_files_from_windows(root: Path, read: Read) -> None:
    write(root, texts("q"), texts("a"), test=["q a 1"])
    for file in root.rglob("*.*"):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert rows(read(), "qrels", "query_id", "sample_id") == {("query:q", "corpus:a")}


def test_texts_keep_characters_that_end_lines_elsewhere(root: Path, read: Read) -> None:
    line = '{"_id": "q", "text": "one\u2028two\u0085three"}'
    write(root, [line], texts("a"), test=["q a 1"])
    assert read()["samples"].filter(sample_id="query:q")["text"].item() == "one\u2028two\u0085three"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"qrels/dev.tsv": ""}, "dev.tsv is of no split; call it train.tsv, support.tsv, validation.tsv, test.tsv"),
        ({"qrels/test.tsv": "q a 1"}, "qrels/test.tsv line 1 in {root} is no header; begin with query-id corpus-id"),
        ({"qrels/test.tsv": "query-id corpus-id score"}, "is no header; begin with query-id corpus-id score, between"),
        ({"qrels/test.tsv": ""}, "qrels/test.tsv in {root} is no header"),
        (
            {"queries.jsonl": '{"_id": "q", "text": "x"}\n{"_id": '},
            "queries.jsonl line 2 in {root} is no JSON object; ",
        ),
        ({"corpus.jsonl": '\n["a", "x"]'}, 'corpus.jsonl line 2 in {root} is no JSON object; write one {"_id": ...} a'),
        ({"queries.jsonl": b"\xfe\xfe"}, "queries.jsonl is not UTF-8: invalid start byte; write it again in UTF-8"),
        ({"queries.jsonl": None}, "has corpus.jsonl and qrels/*.tsv and no queries.jsonl; put it there, or take the"),
        ({"qrels/test.tsv": None}, "has queries.jsonl and corpus.jsonl and no qrels/<split>.tsv; put it there, or"),
        (
            {"corpus.jsonl": None},
            "has queries.jsonl and nothing to find; put corpus.jsonl there, or pictures with metadata.csv",
        ),
        ({"queries.jsonl": None, "corpus.jsonl": None}, "and no queries.jsonl; put it there, or take the others out"),
        (
            {"queries.jsonl": '{"_id": "q", "image": "../a.png"}'},
            "queries.jsonl line 1: the picture ../a.png is outside",
        ),
        ({"corpus.jsonl": '{"_id": "a", "image": "/a.png"}'}, "corpus.jsonl line 1: the picture /a.png is outside"),
        (
            {"queries.jsonl": '{"_id": "q", "text": "x", "split": "dev"}'},
            "queries.jsonl line 1: the split is dev; it may be train, support, validation, test",
        ),
        (
            {"queries.jsonl": '{"_id": "q", "text": "x", "split": "train"}'},
            "qrels/test.tsv line 2: the query q is in the split train by queries.jsonl line 1; judge it in that split",
        ),
        (
            {"qrels/train.tsv": "query-id\tcorpus-id\tscore\nq\ta\t0"},
            "qrels/train.tsv line 2: the query q is in the split test by qrels/test.tsv; judge it in that split alone",
        ),
        ({"qrels/test.tsv": "query-id\tcorpus-id\tscore\nq\ta\t0"}, "asks nothing; put pictures or queries into"),
    ],
)
def test_what_is_wrong_is_one_line(
    root: Path, tmp_path: Path, files: dict[str, str | bytes | None], words: str
) -> None:
    write(root, [{"_id": "q", "text": "x"}], texts("a"), test=["q a 1"])
    for name, content in files.items():
        if content is None:
            (root / name).unlink()
        else:
            (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert words.replace("{root}", str(root)) in refusal(root, tmp_path)


def test_only_training_queries_ask_nothing(root: Path, tmp_path: Path) -> None:
    write(root, texts("q"), texts("a"), train=["q a 1"])
    assert "asks nothing; put pictures or queries into the split test" in refusal(root, tmp_path)
