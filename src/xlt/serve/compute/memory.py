"""Memory of a process that serves: freeze what stays, give back what was freed."""

from __future__ import annotations

import ctypes
import gc
import sys
import weakref
from pathlib import Path

__all__ = ["Freed", "freeze_and_use_huge_pages"]

LEAST_BYTES = 4 << 20  # of a mapping that is worth it
MADV_HUGEPAGE, MADV_COLLAPSE = 14, 25  # of Linux; the second since 6.1, at once


class Freed:
    """Whether much memory has been freed that the C library still holds.

    It keeps freed pages for the next allocation. After a model has gone, or a body of megabytes
    was tokenised, that is as much as they held.
    """

    def __init__(self) -> None:
        self.due = False

    def note(self) -> None:
        """Much has been freed, or is about to be. Called from any thread."""
        self.due = True

    def when_gone(self, value: object) -> None:
        """Note it when an object is freed."""
        weakref.finalize(value, self.note).atexit = False

    def give_back(self) -> None:
        """Give freed pages back to the system; where the C library has no call for it, nothing."""
        self.due = False
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def freeze_and_use_huge_pages() -> None:
    """Freeze long-lived objects, and back weights with huge pages.

    Requests leave few cycles behind; the garbage collector's walks through all modules and models
    cost a tenth of the event loop's time. And weights are read from end to end for every batch: in
    pages of 4 KiB that is a lookup in the page tables for every 4 KiB.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    if sys.platform == "linux":
        _use_huge_pages()


def _use_huge_pages() -> int:
    """Ask for huge pages where memory is large and ours; returns the bytes that got them.

    Where the system has none, or refuses, everything stays as it is.
    """
    madvise = ctypes.CDLL(None, use_errno=True).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    done = 0
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, rights, _, _, inode, *name = line.split(None, 5)
        first, last = (int(place, 16) for place in span.split("-"))
        private = rights == "rw-p" and inode == "0" and (not name or name[0] == "[heap]")
        if not private or last - first < LEAST_BYTES:
            continue
        if madvise(first, last - first, MADV_HUGEPAGE) == 0:
            done += last - first if madvise(first, last - first, MADV_COLLAPSE) == 0 else 0
    return done
