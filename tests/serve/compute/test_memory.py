"""Memory of a process that serves: nothing is lost on the way into large pages."""

import gc
import sys
import threading

import numpy as np
import pytest

from xlt.serve.compute.memory import LEAST_BYTES, _use_huge_pages, freeze_and_use_huge_pages


@pytest.mark.skipif(sys.platform != "linux", reason="huge pages are Linux's")
def test_what_memory_holds_stays_while_others_write():
    numbers = np.arange(8 * LEAST_BYTES // 8)
    other = np.zeros(8 * LEAST_BYTES // 8, np.int64)
    ending = threading.Event()

    def write():
        while not ending.is_set():
            other[:] += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        done = [_use_huge_pages() for _ in range(2)]
    finally:
        ending.set()
        writer.join()
    assert all(size >= 0 and size % 4096 == 0 for size in done)
    assert np.array_equal(numbers, np.arange(len(numbers)))
    assert len(np.unique(other)) == 1


def test_settling_spares_the_garbage_collector_what_is_there():
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    try:
        freeze_and_use_huge_pages()
        assert gc.get_freeze_count() > frozen
        assert gc.get_threshold()[0] > before[0]
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
