import tracemalloc
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.dataset.places import Place
from pipeline_core.dataset.screening import Picture
from pipeline_core.dataset.tasks import Query, Sample, Task, as_control, judge_equal_content_equally

SPLIT = "test"
IDS = [f"s{i}" for i in range(8)]
some_ids = st.frozensets(st.sampled_from(IDS), max_size=4)
graded = st.dictionaries(st.sampled_from(IDS), st.integers(1, 3), max_size=4)
own_prompts = st.sampled_from((None, "own"))


@st.composite
def drawn_tasks(draw):
    contents = draw(st.lists(st.sampled_from("abcd"), min_size=len(IDS), max_size=len(IDS)))
    samples = {i: Sample(i, content, None, "g", SPLIT) for i, content in zip(IDS, contents, strict=True)}
    queries = tuple(
        Query(f"q{n}", draw(st.sampled_from(IDS)), SPLIT, draw(graded), draw(some_ids), draw(own_prompts))
        for n in range(4)
    )
    pool = tuple(sorted(draw(some_ids)))
    return Task("t", "text", "text", "text", "text", "", queries, {SPLIT: pool}), samples


@given(drawn_tasks())
def test_equal_content_is_judged_equally(drawn):
    task, samples = drawn
    judged = judge_equal_content_equally(task, samples)
    pool = task.candidates[SPLIT]
    originals = {query.query_id: query for query in task.queries}
    for query in judged.queries:
        assert query.relevant
        assert query.relevant.keys() <= set(pool)
        assert not query.relevant.keys() & query.excluded
        for answer, grade in originals[query.query_id].relevant.items():
            assert answer not in pool or answer in query.excluded or query.relevant[answer] >= grade
        for one in pool:
            for other in pool:
                if samples[one].content == samples[other].content:
                    assert query.relevant.get(one) == query.relevant.get(other)
                    assert (one in query.excluded) == (other in query.excluded)
    for one in judged.queries:
        for other in judged.queries:
            asked = [(samples[q.sample_id].content, q.prompt_id, q.excluded) for q in (one, other)]
            if asked[0] == asked[1]:
                assert one.relevant == other.relevant


@given(drawn_tasks())
def test_a_query_is_dropped_only_when_nothing_is_left_to_find(drawn):
    task, samples = drawn
    judged = judge_equal_content_equally(task, samples)
    kept = {query.query_id for query in judged.queries}
    assert judged.unanswered == len(task.queries) - len(kept)
    for query in task.queries:
        ruled_out = {samples[i].content for i in query.excluded}
        found = {i for i in query.relevant.keys() & set(task.candidates[SPLIT]) if samples[i].content not in ruled_out}
        if found:
            assert query.query_id in kept


def test_queries_that_ask_for_different_things_of_one_content_are_not_alike():
    samples = {i: Sample(i, text, None, "g", SPLIT) for i, text in (("q", "x"), ("a", "one"), ("b", "two"))}
    queries = (Query("q1", "q", SPLIT, {"a": 1}, prompt_id="shape"), Query("q2", "q", SPLIT, {"b": 1}))
    task = Task("t", "text", "text", "text", "text", "", queries, {SPLIT: ("a", "b")})
    assert judge_equal_content_equally(task, samples).queries == queries


def test_content_is_what_is_seen_and_read():
    picture = Picture(Place(Path("one.png")), "bytes", 1, 1, "look")
    copy = Picture(Place(Path("two.png")), "other bytes", 1, 1, "look")
    assert Sample("a", "x", picture, "g", SPLIT).content == Sample("b", "x", copy, "h", SPLIT).content
    assert Sample("a", "x", picture, "g", SPLIT).content != Sample("b", None, picture, "g", SPLIT).content


def test_a_control_differs_from_its_task_in_queries_only():
    query = Query("q", "edit", SPLIT, {"a": 2}, frozenset({"b"}), "own")
    task = Task("it2i", "image_text", "image", "image_question", "image", "", (query,), {SPLIT: ("a", "b")})
    control = as_control(task, "text_only", {"edit": "phrase"})
    assert control.queries == (Query("q", "phrase", SPLIT, {"a": 2}, frozenset({"b"}), "own"),)
    assert (control.query_modality, control.query_prompt_id) == ("text", "text")
    assert (control.control, control.control_of, control.task_id) == ("text_only", "it2i", "it2i_text_only")
    assert (control.candidates, control.candidate_prompt_id) == (task.candidates, task.candidate_prompt_id)
    assert control.task_type == task.task_type == "it->i"


def test_judgements_of_classes_take_no_memory_of_pairs() -> None:
    """Kinds of pictures with the same captions make far more pairs than memory holds."""
    n = 1500
    pictures = {f"i{k}": Picture(Place(Path(f"{k}.png")), "0", 1, 1, f"look {k}") for k in range(n)}
    samples = {name: Sample(name, None, picture, "g", SPLIT) for name, picture in pictures.items()}
    samples |= {f"t{k}": Sample(f"t{k}", "one text", None, "g", SPLIT) for k in range(n)}
    queries = tuple(Query(f"i{k}", f"i{k}", SPLIT, {f"t{k}": 1}) for k in range(n))
    task = Task("t", "image", "text", "", "", "", queries, {SPLIT: tuple(f"t{k}" for k in range(n))})
    tracemalloc.start()
    judged = judge_equal_content_equally(task, samples)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < n * n  # bytes: one of each pair alone would be more
    assert dict(judged.queries[7].relevant) == {f"t{k}": 1 for k in range(n)}
