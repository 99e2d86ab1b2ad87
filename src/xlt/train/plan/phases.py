"""Records of what is trained: phases, and the tasks inside a phase."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xlt.core.tasks.examples import Example
from xlt.core.tasks.table import Task
from xlt.data import DataSet
from xlt.train.plan.hyper import Hyper
from xlt.train.plan.mix import draws

__all__ = ["Part", "Phase"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One task of a phase, with its data: it gets a head of its own.

    Attributes:
        task: with labels resolved; of kind mlm: masked LM on texts.
        hyper: its learning rate, epochs, batch and length; of a phase with several tasks only
            batch and length count.
        trains: what to learn from, one set a language.
        dev: English examples for selection; None when there are none.
        notes: what a reader should know about the data.
        selects: whether its dev scores choose the weights.
        share: of the steps of the phase; None: by the size of its data.
    """

    task: Task
    hyper: Hyper
    trains: tuple[DataSet, ...]
    dev: DataSet | None
    notes: tuple[str, ...] = ()
    selects: bool = True
    share: float | None = None

    @property
    def name(self) -> str:
        """Of the task."""
        return self.task.name

    @property
    def examples(self) -> tuple[Example, ...]:
        """All examples, set by set."""
        return tuple(example for train in self.trains for example in train.examples)

    @property
    def size(self) -> int:
        """Number of examples."""
        return sum(len(train.examples) for train in self.trains)

    @property
    def batches(self) -> int:
        """Steps of an epoch when every example is one row; long texts make more rows."""
        return math.ceil(self.size / (self.hyper.batch_size or 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One training: an intermediate phase or a target.

    Attributes:
        name: `1-mnli`, `2-mnli+squad` or `udpos`.
        folder: where its model goes, relative to the run.
        parts: its tasks; the first is what the phase is for, and the head that is written.
        serves: targets that this training answers.
        hyper: how it is trained.
        mix: how often each task is drawn.
        control: what stands in for the task; None: the task itself.
    """

    name: str
    folder: str
    parts: tuple[Part, ...]
    serves: tuple[str, ...]
    hyper: Hyper
    mix: str = "proportional"
    control: str | None = None

    @property
    def task(self) -> Task:
        """The task that the phase is for."""
        return self.parts[0].task

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of all tasks of the phase."""
        return tuple(part.name for part in self.parts)

    @property
    def sets(self) -> tuple[DataSet, ...]:
        """Everything that is read: training and dev sets."""
        return tuple(
            data
            for part in self.parts
            for data in (*part.trains, *((part.dev,) if part.dev else ()))
        )

    @property
    def steps(self) -> int:
        """Steps when every example is one row; long texts make more rows."""
        counts = draws(self.mix, self.parts, [part.batches for part in self.parts])
        steps = max(1, round(self.hyper.epochs * sum(counts)))
        return min(steps, self.hyper.steps or steps)

    def notes(self) -> list[str]:
        """What a reader should know about the data, each remark once."""
        found = [
            note
            for part in self.parts
            for note in (*part.notes, *(note for train in part.trains for note in train.notes))
        ]
        return list(dict.fromkeys(found))

    def to_json(self) -> dict[str, Any]:
        """For `--dry-run --json`."""
        several: Mapping[str, Any] = {}
        if len(self.parts) > 1:
            several = {"mix": self.mix, "sizes": {part.name: part.size for part in self.parts}}
        return {
            "name": self.name,
            "tasks": list(self.tasks),
            "serves": list(self.serves),
            "examples": sum(part.size for part in self.parts),
            "dev": sum(len(part.dev.examples) for part in self.parts if part.dev),
            "hyper": self.hyper.to_json(),
            **several,
            **({"control": self.control} if self.control else {}),
        }
