"""Whose task a checkpoint answers: from --task, else from the head and its label names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from xlt.core.errors import ModelError, UsageError
from xlt.core.kinds.table import KINDS, kind_of
from xlt.core.tasks.table import INTERMEDIATE, TARGETS, TASKS, Task
from xlt.export.checkpoint.kinds import EXPORTED
from xlt.export.checkpoint.reading import Checkpoint

__all__ = ["answers_of", "in_logit_order", "resolve_task"]

GENERIC = re.compile(r"LABEL_(\d+)")
# The task record that stands for every retrieval task in an encoder bundle.
EMBED_TASK = "tatoeba"


def resolve_task(checkpoint: Checkpoint, task: Task | None, *, name: str) -> Task:
    """The task record of a checkpoint, its labels in the order of the logits.

    Args:
        checkpoint: what was found in the folder.
        task: what the user or the run says it is; None to find out.
        name: what to call the task when the head is fine but its labels are no known task's.

    Raises:
        ModelError: the head is of another kind, or its labels are not the task's.
        UsageError: the checkpoint does not say which task it is.
    """
    if task is None:
        task = _guess(checkpoint, name)
    if task.kind != checkpoint.kind:
        raise ModelError(
            f"{checkpoint.source} is a {checkpoint.architecture} (kind {checkpoint.kind}), "
            f"the task {task.name} is of kind {task.kind}",
            f"give a task of kind {checkpoint.kind}, or a checkpoint with the right head",
        )
    if kind_of(task).vectors:
        return TASKS[EMBED_TASK]
    if kind_of(task).classes:
        return task.with_labels(in_logit_order(task, checkpoint))
    return task


def in_logit_order(task: Task, checkpoint: Checkpoint) -> tuple[str, ...]:
    """The task's labels as the head orders them.

    Names are compared without regard to case; `LABEL_1` stands for a label called `1`. A task
    without a label set of its own (CCG) takes the head's names.

    Raises:
        ModelError: the two label sets differ; both are listed.
    """
    if not task.labels:
        return checkpoint.labels
    known = {label.casefold(): label for label in task.labels}
    found = [known.get(GENERIC.sub(r"\1", name).casefold()) for name in checkpoint.labels]
    ordered = tuple(label for label in found if label is not None)
    if len(ordered) != len(found) or sorted(ordered) != sorted(task.labels):
        raise ModelError(
            f"{checkpoint.source} predicts {_listed(checkpoint.labels)}, "
            f"the task {task.name} has {_listed(task.labels)}",
            "write the task's names into id2label of config.json, in the order of the logits",
        )
    return ordered


def answers_of(task: Task) -> tuple[str, ...]:
    """Tasks that a bundle of this task answers: targets with the same training data, and itself."""
    if kind_of(task).vectors:
        return tuple(name for name in TARGETS if TASKS[name].kind == task.kind)
    same = [
        name
        for name in TARGETS
        if task.source and TASKS[name].source == task.source and TASKS[name].kind == task.kind
    ]
    return tuple(dict.fromkeys([*same, task.name]))


def _guess(checkpoint: Checkpoint, name: str) -> Task:
    """A task whose label set is the head's; else a task of its own with the head's labels."""
    if KINDS[checkpoint.kind].vectors:
        return TASKS[EMBED_TASK]
    same_kind = [t for t in (*TARGETS, *INTERMEDIATE) if TASKS[t].kind == checkpoint.kind]
    silent = not KINDS[checkpoint.kind].classes or all(
        GENERIC.fullmatch(label) or label.isdigit() for label in checkpoint.labels
    )
    if silent:
        raise UsageError(
            f"{checkpoint.source} does not say which task of kind {checkpoint.kind} it answers",
            f"add --task, one of: {' '.join(same_kind)}",
        )
    for candidate in same_kind:
        labels = {label.casefold() for label in TASKS[candidate].labels}
        if labels == {label.casefold() for label in checkpoint.labels}:
            return TASKS[candidate]
    metric = EXPORTED[checkpoint.kind].own_metric
    own = Path(name).name
    return Task(
        name=own, kind=checkpoint.kind, role="user", metric=metric, labels=checkpoint.labels
    )


def _listed(labels: Sequence[str]) -> str:
    shown = ", ".join(labels[:20])
    return f"{len(labels)} labels ({shown}{', ...' if len(labels) > 20 else ''})"
