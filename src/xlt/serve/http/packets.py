"""A transport that sends an answer's head and body in one packet."""

from __future__ import annotations

from typing import Any

__all__ = ["LARGEST_PACKET", "OnePacket"]

LARGEST_PACKET = 64 << 10  # bytes; what is longer is not worth a copy


class OnePacket:
    """A transport; as a block, it gathers what is written, since heads and bodies come one by one.

    Two packets for a short answer cost two system calls here, and wake the client twice.
    """

    def __init__(self, transport: Any) -> None:
        self.transport = transport
        self.gathered: list[bytes] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)

    def write(self, data: bytes) -> None:
        """Write, or keep for the packet."""
        if self.gathered is None:
            self.transport.write(data)
        else:
            self.gathered.append(data)

    def write_eof(self) -> None:
        """End the writing, when all has been written."""
        self.flush()
        self.transport.write_eof()

    def close(self) -> None:
        """Close, when all has been written."""
        try:
            self.flush()
        finally:
            self.transport.close()

    def flush(self) -> None:
        """Write what was gathered."""
        if self.gathered:
            parts, self.gathered = self.gathered, None
            small = sum(map(len, parts)) <= LARGEST_PACKET
            for part in [b"".join(parts)] if small else parts:
                self.transport.write(part)
        self.gathered = None

    def __enter__(self) -> None:
        self.gathered = []

    def __exit__(self, *_: object) -> None:
        self.flush()
