"""What can be said of a configuration before any data are read: all that is wrong, at once."""

from __future__ import annotations

from xlt.core.errors import Mistakes, UsageError
from xlt.data import DataRoot
from xlt.train.plan.base import Base, find_base
from xlt.train.plan.choose import Chosen, choose
from xlt.train.plan.config import TrainConfig

__all__ = ["check", "find_start"]


def find_start(config: TrainConfig) -> tuple[Base, DataRoot, Chosen]:
    """The base model, the data root and the tasks, without reading data.

    Raises:
        XltError: everything that is wrong with flags, names and places, at once.
    """
    mistakes, root, chosen = Mistakes(), None, None
    with mistakes:
        config.check()
    with mistakes:
        base = find_base(config)
    with mistakes:
        root = DataRoot(config.data, task_files=config.task_file)
    if root is not None:
        with mistakes:
            chosen = choose(config, root)
    mistakes.tell()
    assert root is not None
    assert chosen is not None
    return base, root, chosen


def check(config: TrainConfig) -> None:
    """Check the flags; where one is wrong, look for all other mistakes as well.

    Raises:
        UsageError: a flag is wrong; all mistakes are named.
    """
    try:
        config.check()
    except UsageError:
        find_start(config)
        raise
