"""A first dev score that ignoring the input would beat: usually the learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xlt.core.metrics.table import headline_mean

__all__ = ["below_baseline"]


def below_baseline(
    name: str, metric: str, scores: Mapping[str, float], baseline: Mapping[str, Any], lr: float
) -> str | None:
    """A warning when a dev score is below what needs no learning; else None.

    Args:
        name: of the task.
        metric: key of `METRICS`; its headline scores are compared.
        scores: on dev.
        baseline: name -> scores of answers that ignore the input or the context.
        lr: peak learning rate, for the message.
    """
    got = headline_mean(metric, dict(scores))
    beaten = []
    for kind, found in baseline.items():
        value = headline_mean(metric, found) if isinstance(found, dict) else None
        if got is not None and value is not None and got < value:
            beaten.append(f"{kind} {value:.1f}")
    if not beaten:
        return None
    return (
        f"warning: {name} scores {got:.1f} on English dev, below {', '.join(beaten)}, which need "
        f"no learning: usually the learning rate ({lr:g}; small encoders want 5 to 20 times that "
        f"of large ones)"
    )
