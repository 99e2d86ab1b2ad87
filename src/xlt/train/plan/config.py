"""What `xlt train` can be asked for: one frozen record, checked as a whole before any work."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from xlt.core.errors import UsageError, did_you_mean
from xlt.core.inference.device import DEVICES, parse_device

__all__ = ["COMPACT", "COMPACT_FAMILY", "OBJECTIVES", "TrainConfig"]

COMPACT = "compact"
COMPACT_FAMILY = "bert"
OBJECTIVES = ("svd", "mlm", "tlm")
PRECISIONS = ("fp32", "bf16")
# Fields that decide how a run goes, not its result; run.json leaves them out.
RUNTIME_FIELDS = ("out", "resume", "force", "save_every")
AMOUNT = re.compile(r"[1-9]\d*|(100|[1-9]?\d(\.\d+)?)%")
SMALLEST_VOCABULARY = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """The configuration of one run. None stands for the default of the task's kind.

    Attributes:
        model: a hub id, a folder, a run of ours, or `compact` (a small encoder made here).
        data: the data root.
        out: the run folder.
        pretrain: compact only: parts of phase 0; () skips it; None takes svd, mlm, and tlm
            where the root has parallel text.
        pretrain_steps: optimisation steps of phase 0.
        vocab_size: compact only: size of its vocabulary.
        intermediate: tasks trained one after the other before the targets.
        target: target tasks; ("all",) every one whose training data the root has; () none;
            None: all, or none when a phase is asked for.
        train_examples: a number or a percentage; smaller sets are part of larger ones.
        train_split: (task, file) pairs that stand in for the task's own train split.
        task_file: YAML files that add tasks.
        epochs: passes over the training data of each phase.
        steps: upper bound of the steps of every phase.
        lr: peak learning rate.
        batch_size: examples per optimisation step.
        max_length: tokens per model input.
        warmup: share of the steps in which the learning rate rises.
        weight_decay: AdamW's, never on biases and norms.
        precision: fp32, or bf16 autocast.
        eval_every: steps between evaluations on English dev; None: once an epoch.
        patience: stop after so many dev evaluations without improvement; None: never.
        save_every: steps between checkpoints; None: about one a minute.
        allow_overlap: train although training items occur in a test file.
        resume: continue what is there.
        force: replace what is there.
        seed: decides initial weights, order, masks and dropout.
        threads: CPU threads; None: the cores this process may use.
        device: auto, cpu, cuda or cuda:i.
    """

    model: str
    data: Path
    out: Path = Path("xlt-run")
    pretrain: tuple[str, ...] | None = None
    pretrain_steps: int | None = None
    vocab_size: int | None = None
    intermediate: tuple[str, ...] = ()
    target: tuple[str, ...] | None = None
    train_examples: str | None = None
    train_split: tuple[tuple[str, Path], ...] = ()
    task_file: tuple[Path, ...] = ()
    epochs: float | None = None
    steps: int | None = None
    lr: float | None = None
    batch_size: int | None = None
    max_length: int | None = None
    warmup: float | None = None
    weight_decay: float | None = None
    precision: str = "fp32"
    eval_every: int | None = None
    patience: int | None = None
    save_every: int | None = None
    allow_overlap: bool = False
    resume: bool = False
    force: bool = False
    seed: int = 1
    threads: int | None = None
    device: str = "auto"

    @property
    def is_compact(self) -> bool:
        """Whether the base model is made here."""
        return self.model == COMPACT

    @property
    def targets(self) -> tuple[str, ...]:
        """The targets asked for, with the default resolved."""
        if self.target is not None:
            return self.target
        return () if self.intermediate or self.pretrain else ("all",)

    def check(self) -> None:
        """Report every mistake that can be seen without looking at the data.

        Raises:
            UsageError: names all of them.
        """
        mistakes = [*_ranges(self), *self._pretraining(), *self._names()]
        if self.resume and self.force:
            mistakes.append("--resume and --force exclude each other")
        if mistakes:
            raise UsageError.all_of(mistakes, "xlt train --help")

    def to_json(self) -> dict[str, Any]:
        """Everything that decides the result, as JSON values; --resume compares it."""
        fields = asdict(self).items()
        value = {name: field for name, field in fields if name not in RUNTIME_FIELDS}
        value["data"] = str(self.data.resolve())
        value["train_split"] = {task: str(file.resolve()) for task, file in self.train_split}
        value["task_file"] = [str(file.resolve()) for file in self.task_file]
        if not self.is_compact and Path(self.model).is_dir():
            value["model"] = str(Path(self.model).resolve())
        return value

    def _pretraining(self) -> list[str]:
        found = []
        for name in self.pretrain or ():
            if name not in OBJECTIVES:
                near = did_you_mean(name, OBJECTIVES)
                found.append(f"--pretrain {name!r} is none of {', '.join(OBJECTIVES)}, none{near}")
        if not self.is_compact:
            asked = {
                "--pretrain": self.pretrain,
                "--pretrain-steps": self.pretrain_steps,
                "--vocab-size": self.vocab_size,
            }
            found += [
                f"{flag} needs --model compact, not {self.model!r}"
                for flag, value in asked.items()
                if value
            ]
        return found

    def _names(self) -> list[str]:
        found = []
        if not self.model:
            found.append("--model is empty")
        try:
            parse_device(self.device)
        except UsageError:
            found.append(f"--device {self.device!r} is none of {', '.join(DEVICES)}")
        if self.precision not in PRECISIONS:
            found.append(f"--precision {self.precision!r} is none of {', '.join(PRECISIONS)}")
        if self.train_examples is not None:
            text = self.train_examples
            if not AMOUNT.fullmatch(text) or not float(text.rstrip("%")):
                found.append(f"--train-examples {text!r} is neither a number nor a percentage")
        tasks = [task for task, _ in self.train_split]
        twice = sorted({task for task in tasks if tasks.count(task) > 1})
        found += [f"--train-split names {task!r} twice" for task in twice]
        return found


def _ranges(config: TrainConfig) -> list[str]:
    """Numbers outside what makes sense, worded with the flag."""
    at_least_1: Callable[[float], bool] = lambda value: value >= 1  # noqa: E731
    rules: dict[str, tuple[Callable[[float], bool], str]] = {
        "pretrain_steps": (at_least_1, "at least 1"),
        "vocab_size": (lambda value: value >= SMALLEST_VOCABULARY, f">= {SMALLEST_VOCABULARY}"),
        "epochs": (lambda value: value > 0, "above 0"),
        "steps": (at_least_1, "at least 1"),
        "lr": (lambda value: 0 < value < 1, "between 0 and 1"),
        "batch_size": (at_least_1, "at least 1"),
        "max_length": (lambda value: value >= 8, "at least 8"),
        "warmup": (lambda value: 0 <= value < 1, "a share of the steps, 0 <= share < 1"),
        "weight_decay": (lambda value: value >= 0, "0 or more"),
        "eval_every": (at_least_1, "at least 1"),
        "patience": (at_least_1, "at least 1"),
        "save_every": (at_least_1, "at least 1"),
        "threads": (at_least_1, "at least 1"),
        "seed": (lambda value: 0 <= value < 2**31, "0 to 2147483647"),
    }
    found = []
    for name, (holds, rule) in rules.items():
        value = getattr(config, name)
        if value is not None and not holds(value):
            found.append(f"--{name.replace('_', '-')} {value} must be {rule}")
    return found
