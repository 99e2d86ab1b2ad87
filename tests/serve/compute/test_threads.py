"""Threads for tokenising: order, errors, what nobody waits for, the end."""

import asyncio
import threading

import pytest

from xlt.serve.compute.threads import Threads, ordinary


@pytest.fixture
def threads():
    made = Threads(2, "test-text")
    yield made
    made.close()
    for thread in made.threads:
        thread.join(10)
        assert not thread.is_alive()


class Panic(BaseException):
    """As the tokenizer raises them: no Exception."""


def test_one_thread_works_in_order():
    threads, seen, done = Threads(1, "test-text"), [], threading.Event()
    for number in range(100):
        threads.submit(lambda number=number: seen.append(number))
    threads.submit(done.set)
    assert done.wait(10)
    threads.close()
    assert seen == list(range(100))


def test_results_and_errors_come_back(threads):
    async def ask():
        assert await threads.run(lambda: 7) == 7
        with pytest.raises(KeyError):
            await threads.run(lambda: {}["x"])
        with pytest.raises(RuntimeError, match="Panic in a tokeniser thread"):
            await threads.run(panic)
        return await asyncio.gather(*(threads.run(lambda n=n: n * n) for n in range(50)))

    assert asyncio.run(ask()) == [n * n for n in range(50)]


def panic():
    raise Panic


def test_a_panic_is_an_ordinary_error_and_others_pass_through():
    with pytest.raises(RuntimeError):
        ordinary(panic)
    with pytest.raises(KeyError):
        ordinary(lambda: {}["x"])
    assert ordinary(lambda: 3) == 3


def test_a_thread_survives_what_its_work_raises(threads):
    for _ in range(4):
        threads.submit(panic)
    assert asyncio.run(threads.run(lambda: "alive")) == "alive"


def test_what_nobody_waits_for_any_more_is_never_called(threads):
    go, called = threading.Event(), []
    for _ in threads.threads:
        threads.submit(lambda: go.wait(10))

    async def ask():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await threads.run(lambda: called.append(1))
        go.set()
        await threads.run(lambda: None)
        await threads.run(lambda: None)

    asyncio.run(ask())
    assert called == []


def test_closing_drops_what_waits_and_ends_the_threads():
    threads, go, called = Threads(1, "test-text"), threading.Event(), []
    threads.submit(lambda: go.wait(10))
    threads.submit(lambda: called.append(1))
    threads.close()
    go.set()
    threads.threads[0].join(10)
    assert not threads.threads[0].is_alive()
    assert called == []


def test_those_who_wait_are_let_go_when_the_threads_end():
    threads, go = Threads(1, "test-text"), threading.Event()
    threads.submit(lambda: go.wait(10))

    async def ask():
        waiting = asyncio.ensure_future(threads.run(lambda: 1))
        await asyncio.sleep(0)
        threads.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with pytest.raises(asyncio.CancelledError):
            await threads.run(lambda: 2)

    asyncio.run(asyncio.wait_for(ask(), 10))
    go.set()
