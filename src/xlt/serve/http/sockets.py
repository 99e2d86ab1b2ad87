"""What the system knows of a connection's socket."""

from __future__ import annotations

import os
import socket
from typing import Any

__all__ = ["descriptor_of", "most_files", "was_reset"]


def descriptor_of(transport: Any) -> int:
    """The file descriptor of a transport's socket; -1 where it has none."""
    found = transport.get_extra_info("socket")
    return -1 if found is None else int(found.fileno())


def most_files() -> int:
    """How many files this process may have open."""
    try:
        import resource
    except ModuleNotFoundError:  # not on this system
        return 1 << 30
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 30 if soft == resource.RLIM_INFINITY else soft


def was_reset(descriptor: int) -> bool:
    """Whether the other side has refused what was sent to it."""
    if descriptor < 0:
        return True
    try:
        copy = socket.socket(fileno=os.dup(descriptor))
    except OSError:
        return True
    with copy:
        return copy.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0
