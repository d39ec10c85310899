"""The number of threads holds for as long as anybody computes with it."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import torch
from threadpoolctl import threadpool_info

from pipeline_core.threads import limited_threads, workers


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


def test_each_of_several_workers_computes_alone_and_nobody_else_does() -> None:
    with limited_threads(3):
        with workers() as threads:
            started = Barrier(3)
            told = threads.map(lambda _: (started.wait(), torch.get_num_threads())[1], range(3))
            assert list(told) == [1, 1, 1]
            assert torch.get_num_threads() == 3
            with ThreadPoolExecutor(1) as others:
                assert others.submit(torch.get_num_threads).result() == 3
        assert torch.get_num_threads() == 3
