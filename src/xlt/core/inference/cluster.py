"""A Ray cluster: where it is imported, and a connection to one."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Any

from xlt.core.errors import ModelError
from xlt.core.extras import needs

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reports its use home otherwise
with needs("study", "--engine ray"):
    import ray

__all__ = ["connected", "ray"]

KNOCK_SECONDS = 10
OUT_OF_REACH = (ConnectionError, RuntimeError, ValueError, TimeoutError)


@contextlib.contextmanager
def connected(address: str | None, cpus: int | None) -> Iterator[None]:
    """A connection for as long as the block runs; one that is open already stays open.

    Args:
        address: HOST:PORT, or another name that Ray knows; None starts a cluster of this machine
            that ends with the block.
        cpus: CPUs of a cluster of this machine.

    Raises:
        ModelError: nobody answers at the address, or with another version of Ray or Python.
    """
    if ray.is_initialized():
        yield
        return
    _knock(address or "")
    own: dict[str, Any] = {"num_cpus": cpus, "include_dashboard": False}
    try:
        ray.init(
            address=address or "local",
            logging_level="error",
            log_to_driver=False,
            **({} if address else own),
        )
    except OUT_OF_REACH as error:
        text = " ".join(str(error).split())
        raise ModelError(
            f"the Ray cluster {address or 'on this machine'} cannot be used: {text:.300}",
            "start one with ray start --head, and give its --address HOST:6379",
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Look whether somebody answers at HOST:PORT; Ray itself waits for minutes.

    Raises:
        ModelError: nobody does.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        return  # "auto" and the like: Ray knows what they are
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ModelError(
            f"no Ray cluster at {address}: {error}",
            "ray start --head starts one and names its --address HOST:6379",
        ) from error
