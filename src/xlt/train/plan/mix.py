"""How often each task of a phase is drawn: proportional, cap:N, temperature:T.

Proportional is what jiant does by default (Phang et al. 2020); temperature draws by n^(1/T), and
a cap by min(n, N), as T5 names them (Raffel et al. 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["draws"]


class Sized(Protocol):
    """What a mixture asks of a task: `size` examples, and `share` of the steps where it is set."""

    @property
    def size(self) -> int: ...
    @property
    def share(self) -> float | None: ...


def draws(mix: str, parts: Sequence[Sized], batches: Sequence[int]) -> list[int]:
    """How often each task is drawn in one round of a phase.

    A single task, and every task of a proportional mixture, is seen once whole in a round.

    Args:
        mix: proportional, cap:N or temperature:T.
        parts: the tasks.
        batches: steps that one pass over the data of each takes.

    Returns:
        A count for each task, one at least.
    """
    kind, _, number = mix.partition(":")
    sized = [place for place, part in enumerate(parts) if part.share is None]
    counts = list(batches)
    if kind == "cap" and len(sized) > 1:
        for place in sized:
            most = min(1.0, int(number) / max(1, parts[place].size))
            counts[place] = max(1, round(batches[place] * most))
    if kind == "temperature" and len(sized) > 1:
        weights = {place: parts[place].size ** (1 / float(number)) for place in sized}
        total, steps = sum(weights.values()), sum(batches[place] for place in sized)
        for place in sized:
            counts[place] = max(1, round(steps * weights[place] / total))
    own = sum(counts[place] for place in sized)
    for place, part in enumerate(parts):
        if part.share is not None:
            counts[place] = max(1, round(own * part.share / (1 - part.share)))
    return counts
