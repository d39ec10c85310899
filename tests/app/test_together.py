"""Who waits while a pass runs is answered by the next one, all at once; who finds no place is told so at once."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event

import httpx
import pytest

from pipeline_core.app import site
from pipeline_core.app.together import BusyError, Room, Together
from tests.app.conftest import served


def asked_while_one_runs(
    answer: Callable[[Sequence[int]], Sequence[str]], questions: range
) -> tuple[list[list[int]], list[Future[str]]]:
    """Ask 0, and the others while its pass runs; return the passes, and what each got."""
    passes: list[list[int]] = []
    together, running, go = Together[int, str](), Event(), Event()

    def passing(asked: Sequence[int]) -> Sequence[str]:
        passes.append(list(asked))
        running.set()
        assert go.wait(30)
        return answer(asked)

    with ThreadPoolExecutor(len(questions) + 1) as visitors:
        first = visitors.submit(together.ask, 0, passing)
        assert running.wait(30)
        others = [visitors.submit(together.ask, n, passing) for n in questions]
        while len(together._waiting) < len(questions):
            assert not first.done()
        go.set()
    return passes, [first, *others]


def test_all_who_wait_share_the_next_pass_and_each_gets_its_own_answer() -> None:
    passes, found = asked_while_one_runs(lambda asked: [f"answer {n}" for n in asked], range(1, 8))
    assert [sorted(one) for one in passes] == [[0], list(range(1, 8))]
    assert [future.result() for future in found] == [f"answer {n}" for n in range(8)]


def test_what_a_pass_raises_is_told_to_those_whom_it_was_for() -> None:
    def answer(asked: Sequence[int]) -> Sequence[str]:
        if 3 in asked:
            raise ValueError("of three")
        return [str(n) for n in asked]

    _, found = asked_while_one_runs(answer, range(1, 5))
    assert found[0].result() == "0"
    for future in found[1:]:
        with pytest.raises(ValueError, match="of three"):
            future.result()


def test_a_full_room_refuses_and_a_place_that_is_left_is_free_again() -> None:
    room, here = Room(2), Barrier(3)
    leave = Event()

    def stay() -> None:
        with room.entered():
            here.wait(30)
            leave.wait(30)

    with ThreadPoolExecutor(2) as visitors:
        staying = [visitors.submit(stay) for _ in range(2)]
        here.wait(30)
        with (
            pytest.raises(BusyError, match="2 others are waiting for answers; ask again in a few seconds"),
            room.entered(),
        ):
            pass
        leave.set()
        for one in staying:
            one.result()
    with room.entered():
        pass


def test_pages_that_compute_say_that_they_are_busy_and_tables_are_still_answered(
    tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "_WORKING", 0)
    with served(tiny_store) as address, httpx.Client(base_url=address) as client:
        for path in ("/search?sample=text:035", "/map?form=points"):
            refused = client.get(path)
            assert refused.status_code == 503
            assert "0 others are waiting for answers; ask again in a few seconds" in refused.text
        assert client.get("/features").status_code == 200


def test_of_those_inside_only_some_work_and_the_next_does_when_one_leaves() -> None:
    room, inside, leave, next_one = Room(3, working=1, patience=60), Event(), Event(), Event()

    def work(told: Event, until: Event) -> None:
        with room.entered():
            told.set()
            assert until.wait(30)

    with ThreadPoolExecutor(2) as visitors:
        first = visitors.submit(work, inside, leave)
        assert inside.wait(30)
        second = visitors.submit(work, next_one, leave)
        assert not next_one.wait(0.2)
        assert not first.done()
        leave.set()
        assert next_one.wait(30)
        first.result()
        second.result()


def test_one_who_would_wait_long_goes_ahead() -> None:
    room = Room(3, working=1, patience=0.01)
    with room.entered(), room.entered():
        pass
    with room.entered():
        assert not room._turns.acquire(blocking=False)  # the one who went ahead has given back no more than it took
    assert room._turns.acquire(blocking=False)


def test_drawings_that_are_there_wait_for_nobody(tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "_WORKING", 1)
    with served(tiny_store) as address, httpx.Client(base_url=address, timeout=60) as client:
        drawn = client.get("/map?form=points")
        entered = Event()
        monkeypatch.setattr(Room, "entered", lambda _: entered.set())
        assert client.get("/map?form=points").content == drawn.content
        assert not entered.is_set()
