"""A lock on a folder that one process at a time writes into.

The kernel holds it for the process (flock), so that it ends with the process, however that ends:
a lock file that a dead process left is taken over.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from xlt.core.errors import UsageError
from xlt.core.files import write_error

__all__ = ["locked", "take_lock"]


def take_lock(lock: Path) -> int:
    """Lock the folder of the file `lock`; both are made when absent.

    Returns:
        The open file descriptor that holds the lock; closing it lets go.

    Raises:
        UsageError: another process holds it (its id and host are named), or the folder cannot be
            written.
    """
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        while True:
            handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(FileNotFoundError):
                if os.fstat(handle).st_ino == lock.stat().st_ino:
                    break
            os.close(handle)  # the former owner removed the file while we opened it
    except BlockingIOError as error:
        os.close(handle)
        owner = lock.read_text(errors="replace").strip() or "another process"
        raise UsageError(
            f"{lock.parent} is in use by {owner}", "wait for it, stop it, or choose another --out"
        ) from error
    except OSError as error:
        raise write_error(lock, error) from error
    os.truncate(handle, 0)
    os.pwrite(handle, f"pid {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
    return handle


@contextlib.contextmanager
def locked(lock: Path) -> Iterator[None]:
    """Hold a folder's lock; the lock file goes at the end.

    Raises:
        UsageError: as `take_lock`.
    """
    handle = take_lock(lock)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(handle)
