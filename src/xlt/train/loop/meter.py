"""Where the time of a phase goes: training, dev scores, saving; and how fast it learns."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["Meter"]

SAVE_SHARE = 0.02  # of the time that checkpoints may take
LEAST_SECONDS = 60.0  # between two checkpoints
PARTS = ("training", "dev", "saving")


class Meter:
    """Counts of this process: what was done before a resume is not in it.

    Attributes:
        seconds, cpu_seconds: wall time and processor time by part.
        tokens: real tokens that went through the model in training; `padded` with padding.
    """

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self.cpu_seconds = dict.fromkeys(PARTS, 0.0)
        self.steps = self.examples = self.tokens = self.padded = 0
        self._last_save = time.monotonic()
        self._save_cost = 0.0

    @contextmanager
    def spent_on(self, part: str) -> Iterator[None]:
        """Count the time of the block."""
        begun, cpu = time.monotonic(), time.process_time()
        try:
            yield
        finally:
            spent = time.monotonic() - begun
            self.seconds[part] += spent
            self.cpu_seconds[part] += time.process_time() - cpu
            if part == "saving":
                self._save_cost = max(spent, self._save_cost)

    def saved(self) -> None:
        """A checkpoint has just been written."""
        self._last_save = time.monotonic()

    def save_is_due(self) -> bool:
        """Whether to write a checkpoint now: so seldom that they cost two percent at most."""
        interval = max(LEAST_SECONDS, self._save_cost / SAVE_SHARE)
        return time.monotonic() - self._last_save >= interval

    @property
    def tokens_per_second(self) -> float:
        """Real tokens a second of training."""
        return self.tokens / max(1e-9, self.seconds["training"])

    @property
    def padding(self) -> float:
        """Share of the computed tokens that is padding, 0..1."""
        return 1 - self.tokens / self.padded if self.padded else 0.0

    def status(self) -> str:
        """For the progress line."""
        parts = [f"{self.tokens_per_second:,.0f} tokens/s", f"padding {100 * self.padding:.0f} %"]
        return ", ".join([*parts, f"{peak_megabytes() / 1000:.1f} GB"])

    def record(self) -> dict[str, float]:
        """For measured.json."""
        training = max(1e-9, self.seconds["training"])
        return {
            "seconds": round(sum(self.seconds.values()), 3),
            **{f"{part}_seconds": round(value, 3) for part, value in self.seconds.items()},
            **{f"{part}_cpu_seconds": round(v, 3) for part, v in self.cpu_seconds.items()},
            "steps": self.steps,
            "examples_per_second": self.examples / training,
            "tokens": self.tokens,
            "tokens_per_second": self.tokens_per_second,
            "padding": round(self.padding, 4),
            "peak_megabytes": peak_megabytes(),
        }


def peak_megabytes() -> int:
    """Most memory so far, in 10^6 bytes: of the GPU where one is used, else of the process."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return round(torch.cuda.max_memory_allocated() / 1e6)
    try:
        import resource
    except ImportError:  # Windows has no such counter
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6)
