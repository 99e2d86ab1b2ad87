"""Which tasks a run trains: names to records, targets joined by their training data."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from xlt.core.errors import DataError, UsageError
from xlt.core.kinds.table import kind_of
from xlt.core.tasks.table import INTERMEDIATE, TARGETS, TASKS, Task, get_task
from xlt.data import DataRoot
from xlt.train.plan.config import TrainConfig

__all__ = ["Chosen", "choose"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What a run trains.

    Attributes:
        intermediate: phases in order, the tasks of each.
        joint: tasks that every target is trained together with.
        targets: groups that share their training data.
    """

    intermediate: tuple[tuple[Task, ...], ...]
    joint: tuple[Task, ...]
    targets: tuple[tuple[Task, ...], ...]


def choose(config: TrainConfig, root: DataRoot) -> Chosen:
    """Resolve the names of a configuration.

    Raises:
        UsageError: unknown names and tasks that cannot be trained, all at once.
        DataError: all targets are wanted and the root can train none.
    """
    files = dict(config.train_split)
    mistakes: list[str] = []

    def resolve(name: str) -> Task | None:
        try:
            return get_task(name, root.tasks)
        except UsageError as error:
            mistakes.append(error.message)
            return None

    groups = [_spelled_out(group.split(",")) for group in config.intermediate]
    intermediate = [[task for name in group if (task := resolve(name))] for group in groups]
    first = list(itertools.chain.from_iterable(intermediate))
    joint = [task for name in _spelled_out(config.joint) if (task := resolve(name))]
    mistakes += [
        f"{flag} {task.name}: it {kind_of(task).untrained}, there is nothing to train"
        for flag, tasks in (("--intermediate", first), ("--joint", joint))
        for task in tasks
        if kind_of(task).untrained and task.kind != "mlm"
    ]
    if config.control:
        mistakes += [
            f"--control {config.control}: {task.name} has no labels to stand in for"
            for task in first
            if task.kind == "mlm"
        ]
    every = config.targets == ("all",)
    names = TARGETS if every else config.targets
    targets = [task for name in dict.fromkeys(names) if (task := resolve(name))]
    mistakes += [
        f"--target {task.name}: it is an intermediate task"
        for task in targets
        if task.role != "target" and task.name in TASKS
    ]
    if not every:
        mistakes += [
            f"--target {task.name}: nothing trains it, it {kind_of(task).untrained}"
            for task in targets
            if kind_of(task).vectors and task.name in TASKS
        ]
    trainable = [task for task in targets if not kind_of(task).vectors]
    if every:
        trainable = [task for task in trainable if _has_training(root, task, set(files))]
    trained = [*first, *joint, *trainable]
    known = {name for task in trained for name in (task.name, task.source)}
    mistakes += [
        f"--train-split {name}: no phase or target of this run trains on it"
        for name in files
        if name not in known
    ]
    if mistakes:
        raise UsageError.all_of(mistakes, "`xlt tasks` lists the tasks")
    if every and not trainable:
        raise DataError(
            f"{root.path} has training data for none of the targets",
            "`xlt data check` lists what the root has; --target none trains no target",
        )
    if joint and not trainable:
        raise UsageError("--joint has no target to train with", "name one: --target udpos")
    return Chosen(
        intermediate=tuple(map(tuple, intermediate)),
        joint=tuple(joint),
        targets=_by_source(trainable),
    )


def _spelled_out(names: Iterable[str]) -> list[str]:
    """Names of intermediate tasks, each once, `all` being the nine."""
    every = (INTERMEDIATE if name == "all" else (name,) for name in names)
    return list(dict.fromkeys(itertools.chain.from_iterable(every)))


def _has_training(root: DataRoot, task: Task, files: set[str]) -> bool:
    """Whether there is something to train a target on, without reading it."""
    source = root.tasks.get(task.source or "", task)
    return source.name in files or root.find(source, "en", "train") is not None


def _by_source(targets: list[Task]) -> tuple[tuple[Task, ...], ...]:
    """Targets with the same training data are one training."""
    groups: dict[str, list[Task]] = {}
    for task in targets:
        groups.setdefault(task.source or task.name, []).append(task)
    return tuple(tuple(group) for group in groups.values())
