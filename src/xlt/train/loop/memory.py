"""Memory that runs out is an error for the user: it says where, and what needs less."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from xlt.core.errors import UsageError

__all__ = ["named_out_of_memory"]

NO_MEMORY = ("can't allocate memory", "not enough memory")


@contextmanager
def named_out_of_memory(where: str) -> Iterator[None]:
    """Turn memory that runs out inside the block into an error for the user.

    Raises:
        UsageError: says where, and which flags need less.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
        raise UsageError(
            f"out of memory in {where}",
            "lower --part-tokens, --max-length or --batch-size, or add --gradient-checkpointing "
            "or --precision bf16",
        ) from error


def _is_out_of_memory(error: RuntimeError | MemoryError) -> bool:
    """Whether memory ran out; on a CPU, PyTorch says so in the message alone."""
    said = str(error).lower()
    kinds = (torch.OutOfMemoryError, MemoryError)
    return isinstance(error, kinds) or any(text in said for text in NO_MEMORY)
