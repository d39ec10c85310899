"""The number of threads holds for as long as anybody computes with it."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch
from threadpoolctl import threadpool_info

from pipeline_core.threads import Workers, alone, limited_threads, only_workers, workers


def numbers() -> set[int]:
    return {library["num_threads"] for library in threadpool_info()}


def limited(count: int) -> set[int]:
    with limited_threads(count):
        return numbers()


def test_whichever_thread_asks_for_a_number_gets_it() -> None:
    before = numbers()
    assert limited(3) == {3}
    with ThreadPoolExecutor(1) as others:
        assert others.submit(limited, 4).result() == {4}
        assert limited(5) == {5}
    assert numbers() == before


def test_of_several_at_once_the_last_brings_back_what_there_was() -> None:
    before = torch.get_num_threads()
    first, second = limited_threads(before + 1), limited_threads(before + 1)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert torch.get_num_threads() == before + 1
    second.__exit__(None, None, None)
    assert torch.get_num_threads() == before


def on_each(threads: Workers, tell: Callable[[], object]) -> list[object]:
    """Return what each of three says, all at the same time."""
    together = Barrier(3)
    return threads.map(lambda _: (together.wait(), tell())[1], range(3))


def test_each_of_several_workers_computes_alone_and_nobody_else_does() -> None:
    with limited_threads(3):
        with workers() as threads:
            assert on_each(threads, torch.get_num_threads) == [1, 1, 1]
            assert torch.get_num_threads() == 3
            with ThreadPoolExecutor(1) as others:
                assert others.submit(torch.get_num_threads).result() == 3
        assert torch.get_num_threads() == 3


def test_a_single_piece_has_all_threads() -> None:
    with limited_threads(3), workers() as threads:
        assert threads.map(lambda _: torch.get_num_threads(), [0]) == [3]


def test_workers_are_the_same_inside_a_context_and_end_with_it() -> None:
    before = set(threading.enumerate())
    with limited_threads(3):
        with workers() as first:
            asked = on_each(first, threading.get_ident)
        with workers() as second, limited_threads(3), workers() as third:
            assert set(on_each(second, threading.get_ident)) == set(asked)
            assert third is second
            assert threading.get_ident() in asked
    assert set(threading.enumerate()) == before


def test_workers_without_a_context_end_with_their_own() -> None:
    before = set(threading.enumerate())
    with workers() as threads:
        assert threads.map(lambda a, b: a - b, range(9), range(0, 18, 2)) == [-i for i in range(9)]
    assert set(threading.enumerate()) == before


def test_workers_may_share_among_workers_and_do_nothing_of_nothing() -> None:
    with limited_threads(3), workers() as threads:
        assert threads.map(lambda i: inner(threads, i), range(5)) == [[i, i] for i in range(5)]
        assert threads.map(lambda i: i, []) == []


def inner(threads: Workers, number: int) -> list[int]:
    with workers() as own:
        assert own.map(lambda i: i, [number]) == [number]
    return threads.map(lambda i: i, [number, number])


def test_after_an_error_nobody_begins_another_piece() -> None:
    done = []

    def work(number: int) -> None:
        if number == 3:
            raise ValueError(number)
        time.sleep(0.01)
        done.append(number)

    with limited_threads(3), workers() as threads:
        with pytest.raises(ValueError, match="3"):
            threads.map(work, range(100))
        n_done = len(done)
        assert n_done < 10
        assert torch.get_num_threads() == 3
        assert threads.map(str, [1]) == ["1"]
    assert len(done) == n_done


@pytest.mark.parametrize("recorded", [False, True])
def test_workers_record_and_infer_as_the_thread_does_that_asks(recorded: bool) -> None:
    with limited_threads(3), workers() as threads, torch.set_grad_enabled(recorded):
        assert on_each(threads, torch.is_grad_enabled) == [recorded] * 3
        with torch.inference_mode(recorded):
            assert on_each(threads, torch.is_inference_mode_enabled) == [recorded] * 3


def test_what_is_computed_alone_leaves_the_number_as_it_was() -> None:
    with limited_threads(3):
        with alone():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 3


def test_where_only_workers_share_torch_computes_alone_but_for_what_asks_for_all() -> None:
    with limited_threads(3):
        with workers() as usual, only_workers():
            assert torch.get_num_threads() == 1
            with workers() as threads, workers() as again:
                assert threads is again is usual and threads.count == 3
                assert on_each(threads, torch.get_num_threads) == [1, 1, 1]
                with threads.instead():
                    assert torch.get_num_threads() == 3
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 3
        with workers() as threads:
            assert threads.count == 3


def test_after_an_error_others_than_workers_share_again() -> None:
    with limited_threads(3):
        with pytest.raises(ValueError, match="wrong"), only_workers():
            raise ValueError("wrong")
        assert torch.get_num_threads() == 3
