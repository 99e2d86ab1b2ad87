"""The compact PyTorch trainer: `fit(TrainConfig(...))` is what `xlt train` runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlt.train.config import TrainConfig

if TYPE_CHECKING:
    from xlt.runs import Run

__all__ = ["TrainConfig", "fit"]


def fit(config: TrainConfig) -> Run:
    """Train everything the configuration asks for; returns the finished run.

    See `xlt.train.run.fit` for what it raises. PyTorch is imported here, not with the package.

    Raises:
        MissingExtra: PyTorch or transformers is not installed.
    """
    from xlt.extras import needs

    with needs("train", "training"):
        from xlt.train.run import fit as work
    return work(config)
