"""The compact PyTorch trainer: `fit(TrainConfig(...))` is what `xlt train` runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from xlt.core.extras import needs
from xlt.train.plan.config import TrainConfig

if TYPE_CHECKING:
    from xlt.core.artifacts.runs import Run

__all__ = ["TrainConfig", "fit"]


def fit(config: TrainConfig) -> Run:
    """Train everything the configuration asks for; returns the finished run.

    See `xlt.train.run.fit` for what it raises. PyTorch is imported here, not with the package.

    Raises:
        MissingExtra: PyTorch or transformers is not installed.
    """
    config.check()
    # Threads that wait must not spin: on a busy machine spinning makes steps 20 times slower.
    # OpenMP reads this once, when PyTorch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with needs("train", "training"):
        from xlt.train.run import fit as work
    return work(config)
