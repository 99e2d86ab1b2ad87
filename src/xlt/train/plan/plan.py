"""What a run will do, worked out and checked before anything is trained.

The configuration is read here for the last time: all that comes later takes the plan.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from xlt.core.errors import DataError, UsageError
from xlt.core.kinds.table import kind_of
from xlt.core.show.terminal import table
from xlt.core.tasks.examples import Example, Pair, Tagged
from xlt.core.tasks.table import Task
from xlt.data import DataRoot, DataSet, Overlap, overlaps, training_sets
from xlt.train.plan.base import Base
from xlt.train.plan.check import find_start
from xlt.train.plan.config import OBJECTIVES, TrainConfig
from xlt.train.plan.hyper import Hyper, resolve
from xlt.train.seeds import derive

__all__ = ["PRETRAIN_STEPS", "Phase", "Plan", "Pretraining", "format_overlap", "make_plan"]

PRETRAIN_STEPS = 2400


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One training: an intermediate phase or a target.

    Attributes:
        name: `1-mnli` or `udpos`.
        folder: where its model goes, relative to the run.
        task: with labels resolved.
        serves: targets that this training answers.
        hyper: how it is trained.
        train: examples to learn from, after --train-examples.
        dev: English examples for selection; None when there are none.
        notes: what a reader should know about the data.
    """

    name: str
    folder: str
    task: Task
    serves: tuple[str, ...]
    hyper: Hyper
    train: DataSet
    dev: DataSet | None
    notes: tuple[str, ...]

    @property
    def steps(self) -> int:
        """Steps when every example is one row; long texts make more rows."""
        size = self.hyper.batch_size or 1
        steps = max(1, round(self.hyper.epochs * math.ceil(len(self.train.examples) / size)))
        return min(steps, self.hyper.steps or steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pretraining:
    """Phase 0 of a new compact encoder.

    Attributes:
        parts: of svd, mlm, tlm; () for none.
        steps: its optimisation steps; 0 when no part has any.
        vocab_size: tokens to learn; None: by the number of words that recur.
    """

    parts: tuple[str, ...] = ()
    steps: int = 0
    vocab_size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything a run will do.

    Attributes:
        out: the run folder.
        force: replace what is there.
        resume: continue what is there.
        recorded: the configuration as run.json keeps it and `--resume` compares it.
        root: the data root.
        base: where it starts.
        pretraining: phase 0; of other models than `compact` it has no parts.
        intermediate, targets: trainings in order.
        overlaps: training items that occur in test files.
        non_standard: task -> file that stands in for its train split.
        seed: decides initial weights, order, masks and dropout.
        bf16: compute in bfloat16 autocast.
        save_every: steps between checkpoints; None: about one a minute.
    """

    out: Path
    force: bool
    resume: bool
    recorded: Mapping[str, Any]
    root: DataRoot
    base: Base
    pretraining: Pretraining
    intermediate: tuple[Phase, ...]
    targets: tuple[Phase, ...]
    overlaps: tuple[Overlap, ...]
    non_standard: Mapping[str, Path]
    seed: int
    bf16: bool
    save_every: int | None

    @property
    def phases(self) -> tuple[Phase, ...]:
        """Intermediate phases, then targets."""
        return (*self.intermediate, *self.targets)

    def to_json(self) -> dict[str, Any]:
        """The plan for `--dry-run --json`."""
        parts, count = list(self.pretraining.parts), self.pretraining.steps
        steps = {"pretrain": parts, "pretrain_steps": count} if parts else {}
        phases = [
            {
                "name": phase.name,
                "tasks": [phase.task.name],
                "serves": list(phase.serves),
                "examples": len(phase.train.examples),
                "dev": len(phase.dev.examples) if phase.dev else 0,
                "hyper": phase.hyper.to_json(),
            }
            for phase in self.phases
        ]
        base = {"model": self.base.name, "data": str(self.root.path)}
        return {**base, **steps, "phases": phases}

    def __str__(self) -> str:
        rows = [
            [
                phase.name,
                f"{len(phase.train.examples):,}",
                f"{len(phase.dev.examples):,}" if phase.dev else "-",
                f"{phase.hyper.epochs:g}",
                str(phase.hyper.batch_size or f"{phase.hyper.batch_tokens} tokens"),
                f"{phase.hyper.lr:g}",
                f"{phase.steps:,}" if phase.hyper.batch_size else "-",
            ]
            for phase in self.phases
        ]
        if self.pretraining.parts:
            name = f"0-pretrain ({', '.join(self.pretraining.parts)})"
            rows.insert(0, [name, "text", "-", "-", "-", "-", f"{self.pretraining.steps:,}"])
        header = ["phase", "train", "dev", "epochs", "batch", "lr", "steps"]
        return table(header, rows, title=f"plan: start from {self.base.name}")


def make_plan(config: TrainConfig) -> Plan:
    """Resolve tasks, read their data, choose hyper-parameters, look for overlaps.

    Raises:
        UsageError: names that are unknown or do not fit, all at once.
        DataError: a train split is missing or wrong, or training items occur in a test file
            and `allow_overlap` is off.
        ModelError: the base model is not there.
    """
    base, root, chosen = find_start(config)
    pretraining = _pretraining(config, root)
    base = replace(base, aligned=base.aligned or "tlm" in pretraining.parts)
    phases = [
        _phase(config, root, base, task, name=f"{number}-{task.name}")
        for number, task in enumerate(chosen.intermediate, start=1)
    ]
    targets = [
        _phase(config, root, base, tasks[0], name=tasks[0].name, serves=tasks)
        for tasks in chosen.targets
    ]
    return Plan(
        out=config.out,
        force=config.force,
        resume=config.resume,
        recorded=config.to_json(),
        root=root,
        base=base,
        pretraining=pretraining,
        intermediate=tuple(phases),
        targets=tuple(targets),
        overlaps=_overlaps(root, [*phases, *targets], allowed=config.allow_overlap),
        non_standard=dict(config.train_split),
        seed=config.seed,
        bf16=config.precision == "bf16",
        save_every=config.save_every,
    )


def _phase(
    config: TrainConfig,
    root: DataRoot,
    base: Base,
    task: Task,
    *,
    name: str,
    serves: Sequence[Task] = (),
) -> Phase:
    """Read the training data of a task and choose its hyper-parameters."""
    files = dict(config.train_split)
    file = files.get(task.source or task.name, files.get(task.name))
    training = training_sets(root, task, seed=config.seed, train_file=file)
    notes = training.notes
    train = training.train
    if not task.labels and kind_of(task).classes:
        task = task.with_labels(_labels(train.examples))
    if config.train_examples is not None:
        train = _subset(train, config.train_examples, derive(config.seed, "examples", task.name))
    return Phase(
        name=name,
        folder=f"{'targets' if serves else 'phases'}/{name}",
        task=task,
        serves=tuple(served.name for served in serves),
        hyper=resolve(config, task, compact=base.compact, aligned=base.aligned),
        train=train,
        dev=training.dev,
        notes=notes,
    )


def _subset(train: DataSet, amount: str, seed: int) -> DataSet:
    """The first examples of one seeded order: smaller amounts lie inside larger ones.

    Raises:
        UsageError: more examples are asked for than there are.
    """
    total = len(train.examples)
    share = amount.endswith("%")
    count = math.ceil(float(amount[:-1]) / 100 * total) if share else int(amount)
    if count > total:
        raise UsageError(
            f"--train-examples {count}: {train.task} has {total}", "ask for fewer, or leave it out"
        )
    order_N = np.random.default_rng(seed).permutation(total)
    kept = np.sort(order_N[:count])
    examples = [train.examples[i] for i in kept]
    return train.part(f"first {count} of seed {seed}", examples, f"{count} of {total} examples")


def _labels(examples: Sequence[Example]) -> list[str]:
    """The labels that occur, sorted; for tasks whose set comes from the data."""
    found: set[str] = set()
    for example in examples:
        if isinstance(example, Tagged):
            found.update(example.tags or ())
        elif isinstance(example, Pair) and example.label is not None:
            found.add(example.label)
    return sorted(found)


def _overlaps(root: DataRoot, phases: Sequence[Phase], *, allowed: bool) -> tuple[Overlap, ...]:
    """Training items that occur in test files; refused unless allowed."""
    hits = tuple(dict.fromkeys(hit for phase in phases for hit in overlaps(root, phase.train)))
    if hits and not allowed:
        raise DataError(
            f"training data occur in {len(hits)} test sets: "
            + "; ".join(map(format_overlap, hits[:3])),
            "train on other files, or give --allow-overlap (it is named in run.json)",
        )
    return hits


def format_overlap(hit: Overlap) -> str:
    """One overlap in words."""
    return (
        f"{hit.items} items of {hit.task} {hit.split} in {hit.test_task} {hit.test_lang} test "
        f"({hit.of} items)"
    )


def _pretraining(config: TrainConfig, root: DataRoot) -> Pretraining:
    """Phase 0: by default all parts that the root has text for."""
    if not config.is_compact:
        return Pretraining()
    if config.pretrain is None:
        parts: tuple[str, ...] = ("svd", "mlm", "tlm") if root.parallel_langs() else ("svd", "mlm")
    else:
        parts = tuple(part for part in OBJECTIVES if part in config.pretrain)
    steps = 0
    if {"mlm", "tlm"} & set(parts):
        steps = config.pretrain_steps or PRETRAIN_STEPS
        steps = min(steps, config.steps or steps)
    return Pretraining(parts=parts, steps=steps, vocab_size=config.vocab_size)
