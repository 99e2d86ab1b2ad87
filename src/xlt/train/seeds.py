"""Seeds of their own for every phase, step and purpose, derived from the run's seed."""

from __future__ import annotations

import numpy as np

__all__ = ["derive"]


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit seed for a purpose (NumPy's SeedSequence); different names give different seeds."""
    words = [seed, *(int.from_bytes(str(name).encode(), "little") for name in names)]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))
