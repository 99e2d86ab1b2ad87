"""Which tasks a run trains: names to records, targets joined by their training data."""

from __future__ import annotations

from dataclasses import dataclass

from xlt.core.errors import DataError, UsageError
from xlt.core.kinds.table import kind_of
from xlt.core.tasks.table import TARGETS, TASKS, Task, get_task
from xlt.data import DataRoot
from xlt.train.plan.config import TrainConfig

__all__ = ["Chosen", "choose"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Intermediate tasks in order, and groups of targets that share their training data."""

    intermediate: tuple[Task, ...]
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

    intermediate = [task for name in config.intermediate if (task := resolve(name))]
    mistakes += [
        f"--intermediate {task.name}: it {kind_of(task).untrained}, there is nothing to train"
        for task in intermediate
        if kind_of(task).untrained
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
    known = {name for task in [*intermediate, *trainable] for name in (task.name, task.source)}
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
    return Chosen(intermediate=tuple(intermediate), targets=_by_source(trainable))


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
