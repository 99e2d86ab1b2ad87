"""The compact PyTorch trainer: `fit(TrainConfig(...))` is what `xlt train` runs.

`run.py` shows a run from top to bottom. May import `core`, `data`; the command also `cli`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from xlt.core.extras import needs
from xlt.train.plan.check import check
from xlt.train.plan.config import TrainConfig

if TYPE_CHECKING:
    from xlt.core.artifacts.runs import Run
    from xlt.train.plan.plan import Plan

__all__ = ["TrainConfig", "check_plan", "fit"]


def check_plan(config: TrainConfig) -> Plan:
    """What `fit` would do, once flags, names, data, model and device have been looked at.

    Nothing is written and no weights are loaded; see `fit` for what it raises.
    """
    check(config)
    with needs("train", "training"):
        from xlt.train.run import look_ahead
    return look_ahead(config)


def fit(config: TrainConfig) -> Run:
    """Train everything the configuration asks for; returns the finished run.

    See `xlt.train.run.fit` for what it raises. PyTorch is imported here, not with the package.

    Raises:
        MissingExtra: PyTorch or transformers is not installed.
    """
    check(config)
    # Threads that wait must not spin: on a busy machine spinning makes steps 20 times slower.
    # OpenMP reads this once, when PyTorch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with needs("train", "training"):
        from xlt.train.run import fit as work
    return work(config)
