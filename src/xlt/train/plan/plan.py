"""What a run will do, worked out and checked before anything is trained.

The configuration is read here for the last time: all that comes later takes the plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from xlt.core.errors import DataError
from xlt.core.show.terminal import table
from xlt.core.tasks.table import Task
from xlt.data import DataRoot, Overlap, overlaps
from xlt.train.plan.base import Base
from xlt.train.plan.check import find_start
from xlt.train.plan.config import OBJECTIVES, TrainConfig
from xlt.train.plan.disk import disk_needed, disk_words
from xlt.train.plan.hyper import of_phase
from xlt.train.plan.phases import Part, Phase
from xlt.train.plan.read import MLM_RATIO, read_part, read_text
from xlt.train.plan.recipe import check_scopes

__all__ = ["PRETRAIN_STEPS", "Plan", "Pretraining", "format_overlap", "make_plan"]

PRETRAIN_STEPS = 2400


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
        counted: phases that are not trained: every target gets their steps on top of its own.
        overlaps: training items that occur in test files.
        non_standard: task -> file that stands in for its train split.
        seed: decides initial weights, order, masks and dropout.
        bf16: compute in bfloat16 autocast.
        save_every: steps between checkpoints; None: about one a minute.
        part_tokens: tokens through the model at once; None: by the device.
        gradient_checkpointing: compute activations twice instead of keeping them.
        attention: sdpa or eager.
        trained_on: what the user says the base model was trained on.
        keep: how many of the last dev evaluations' weights stay.
        forgetting: whether earlier phases' heads are scored after each phase.
        tensorboard: where TensorBoard reads losses and scores; None: nowhere.
    """

    out: Path
    force: bool
    resume: bool
    recorded: Mapping[str, Any]
    root: DataRoot
    base: Base
    pretraining: Pretraining
    intermediate: tuple[Phase, ...]
    counted: tuple[Phase, ...]
    targets: tuple[Phase, ...]
    overlaps: tuple[Overlap, ...]
    non_standard: Mapping[str, Path]
    seed: int
    bf16: bool
    save_every: int | None
    part_tokens: int | None
    gradient_checkpointing: bool
    attention: str
    trained_on: str | None
    keep: int
    forgetting: bool
    tensorboard: Path | None

    @property
    def has_masked_lm(self) -> bool:
        """Whether a phase needs the base model's masked-LM head."""
        return any(part.task.kind == "mlm" for phase in self.phases for part in phase.parts)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """Intermediate phases, then targets."""
        return (*self.intermediate, *self.targets)

    def to_json(self) -> dict[str, Any]:
        """The plan for `--dry-run --json`."""
        parts, count = list(self.pretraining.parts), self.pretraining.steps
        steps = {"pretrain": parts, "pretrain_steps": count} if parts else {}
        phases = [phase.to_json() for phase in self.phases]
        base = {"model": self.base.name, "data": str(self.root.path)}
        disk = disk_needed(self.base, self.phases, self.keep)
        return {**base, **steps, "phases": phases, "disk_bytes": disk}

    def __str__(self) -> str:
        rows = [
            [
                phase.name,
                " + ".join(f"{part.size:,}" for part in phase.parts),
                " + ".join(f"{len(p.dev.examples):,}" if p.dev else "-" for p in phase.parts),
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
        shown = table(header, rows, title=f"plan: start from {self.base.name}")
        return f"{shown}\n{disk_words(disk_needed(self.base, self.phases, self.keep), self.out)}"


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
        _intermediate(config, root, base, number, tasks)
        for number, tasks in enumerate(chosen.intermediate, start=1)
    ]
    targets = [_target(config, root, base, tasks, chosen.joint) for tasks in chosen.targets]
    longer = config.control == "longer"
    check_scopes(config, root, [phase.name for phase in (*phases, *targets)])
    return Plan(
        out=config.out,
        force=config.force,
        resume=config.resume,
        recorded=config.to_json(),
        root=root,
        base=base,
        pretraining=pretraining,
        intermediate=() if longer else tuple(phases),
        counted=tuple(phases) if longer else (),
        targets=tuple(targets),
        overlaps=_overlaps(root, [*phases, *targets], allowed=config.allow_overlap),
        non_standard=dict(config.train_split),
        seed=config.seed,
        bf16=config.precision == "bf16",
        save_every=config.save_every,
        part_tokens=config.part_tokens,
        gradient_checkpointing=config.gradient_checkpointing,
        attention=config.attention,
        trained_on=config.trained_on,
        keep=config.keep or 0,
        forgetting=config.forgetting,
        tensorboard=config.tensorboard,
    )


def _intermediate(
    config: TrainConfig, root: DataRoot, base: Base, number: int, tasks: Sequence[Task]
) -> Phase:
    """One phase: its tasks, a control in their place, masked LM beside them."""
    trained = config.control if config.control != "longer" else None
    name = f"{number}-" + "+".join(task.name for task in tasks)
    name += f"-{trained}" if trained else ""
    parts: list[Part] = []
    for task in tasks:
        part = read_part(config, root, base, task, phase=name, target=False)
        same = [k for k, other in enumerate(parts) if other.name == part.name]
        if same:  # one control stands in for several tasks
            first = parts[same[0]]
            parts[same[0]] = replace(first, trains=(*first.trains, *part.trains))
        else:
            parts.append(part)
    if config.with_mlm and not any(task.kind == "mlm" for task in tasks):
        share = config.mlm_ratio or MLM_RATIO
        parts.append(read_text(config, root, base, phase=name, share=share))
    return _phase(config, name, parts, control=config.control)


def _target(
    config: TrainConfig, root: DataRoot, base: Base, tasks: Sequence[Task], joint: Sequence[Task]
) -> Phase:
    """A target and the tasks that it is trained together with; its own dev set selects."""
    name = tasks[0].name
    parts = [read_part(config, root, base, tasks[0], phase=name, target=True)]
    for task in joint:
        if task.name not in {tasks[0].name, tasks[0].source}:
            found = read_part(config, root, base, task, phase=name, target=False)
            parts.append(replace(found, selects=False))
    return _phase(config, name, parts, serves=tasks)


def _phase(
    config: TrainConfig,
    name: str,
    parts: Sequence[Part],
    *,
    serves: Sequence[Task] = (),
    control: str | None = None,
) -> Phase:
    several = [part.hyper for part in parts if part.share is None]
    return Phase(
        name=name,
        folder=f"{'targets' if serves else 'phases'}/{name}",
        parts=tuple(parts),
        serves=tuple(served.name for served in serves),
        hyper=of_phase(config, several, name=name, target=bool(serves)),
        mix=config.mix,
        control=control,
    )


def _overlaps(root: DataRoot, phases: Sequence[Phase], *, allowed: bool) -> tuple[Overlap, ...]:
    """Training items that occur in test files; refused unless allowed."""
    labelled = [d for p in phases for part in p.parts for d in part.trains if d.labelled]
    hits = tuple(dict.fromkeys(hit for train in labelled for hit in overlaps(root, train)))
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
