"""What `xlt train` can be asked for: one frozen record, checked as a whole before any work."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from xlt.core.errors import UsageError, did_you_mean
from xlt.core.inference.device import DEVICES, parse_device
from xlt.core.tasks.ranges import CONTROLS, OBJECTIVES, ranges, settings_mistakes

__all__ = ["COMPACT", "COMPACT_FAMILY", "OBJECTIVES", "TrainConfig"]

COMPACT = "compact"
COMPACT_FAMILY = "bert"
# Fields that decide how a run goes, not its result; run.json leaves them out.
RUNTIME_FIELDS = ("out", "resume", "force", "save_every", "tensorboard")
AMOUNT = re.compile(r"[1-9]\d*|(100|[1-9]?\d(\.\d+)?)%")


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
        intermediate: phases before the targets, one after the other; each names one task, or
            several (`mnli,squad`) that are trained together; `mlm` is masked LM on text/.
        mix: how often each task of a phase is drawn: proportional, cap:N or temperature:T.
        joint: tasks that every target is trained together with.
        with_mlm: beside the tasks of every intermediate phase, masked LM on the root's text/.
        mlm_ratio: share of the steps of such a phase that are masked LM.
        translated: languages whose translations of the intermediate tasks are trained on too.
        control: in place of the intermediate tasks: mlm, shuffled, fake or longer.
        forgetting: after each phase, score the earlier phases' kept heads on its encoder.
        target: target tasks; ("all",) every one whose training data the root has; () none;
            None: all, or none when a phase is asked for.
        train_examples: a number or a percentage; smaller sets are part of larger ones.
        target_langs: languages whose own labelled data the targets are trained on too; `de:10`
            takes ten examples.
        dev_examples: at most so many examples of each dev set.
        data_seed: decides what is held out and which examples subsets take.
        trained_on: what the base model was trained on, in words, where no card says it.
        train_split: (task, file) pairs that stand in for the task's own train split.
        task_file: YAML files that add tasks.
        epochs: passes over the training data of each phase.
        steps: upper bound of the steps of every phase.
        lr: peak learning rate.
        batch_size: examples per optimisation step.
        max_length: tokens per model input.
        settings: (scope, name, value): a hyper-parameter of one phase (`1-mnli`), target, task or
            kind (`pair`); the more exact scope wins, and all win over the flags above.
        warmup: share of the steps in which the learning rate rises.
        weight_decay: AdamW's, never on biases and norms.
        precision: fp32, or bf16 autocast.
        keep: how many of the last dev evaluations' weights stay in checkpoints/.
        part_tokens: tokens through the model at once; a larger batch is cut and accumulated.
        gradient_checkpointing: compute activations twice instead of keeping them.
        attention: sdpa, or eager where a model or a device wants it.
        eval_every: steps between evaluations on English dev; None: once an epoch.
        patience: stop after so many dev evaluations without improvement; None: never.
        save_every: steps between checkpoints; None: about one a minute.
        tensorboard: where TensorBoard reads losses and scores; None: nowhere.
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
    mix: str = "proportional"
    joint: tuple[str, ...] = ()
    with_mlm: bool = False
    mlm_ratio: float | None = None
    translated: tuple[str, ...] = ()
    control: str | None = None
    forgetting: bool = False
    target: tuple[str, ...] | None = None
    target_langs: tuple[str, ...] = ()
    train_examples: str | None = None
    dev_examples: int | None = None
    data_seed: int = 1
    trained_on: str | None = None
    train_split: tuple[tuple[str, Path], ...] = ()
    task_file: tuple[Path, ...] = ()
    epochs: float | None = None
    steps: int | None = None
    lr: float | None = None
    batch_size: int | None = None
    max_length: int | None = None
    warmup: float | None = None
    weight_decay: float | None = None
    settings: tuple[tuple[str, str, float], ...] = ()
    precision: str = "fp32"
    keep: int | None = None
    part_tokens: int | None = None
    gradient_checkpointing: bool = False
    attention: str = "sdpa"
    eval_every: int | None = None
    patience: int | None = None
    save_every: int | None = None
    tensorboard: Path | None = None
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
        mistakes = [
            *ranges(self),
            *settings_mistakes(self.settings),
            *self._pretraining(),
            *self._names(),
            *self._mixing(),
        ]
        if self.resume and self.force:
            mistakes.append("--resume and --force exclude each other")
        if mistakes:
            raise UsageError.all_of(mistakes, "xlt train --help")

    def to_json(self) -> dict[str, Any]:
        """Everything that decides the result, as JSON values; --resume compares it."""
        given = asdict(self).items()
        value = {
            name: field
            for name, field in given
            if name not in RUNTIME_FIELDS and not (name in ADDED and field == ADDED[name])
        }
        value["data"] = str(self.data.resolve())
        value["train_split"] = {task: str(file.resolve()) for task, file in self.train_split}
        value["task_file"] = [str(file.resolve()) for file in self.task_file]
        if not self.is_compact and Path(self.model).is_dir():
            value["model"] = str(Path(self.model).resolve())
        return value

    def _pretraining(self) -> list[str]:
        found = []
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

    def _mixing(self) -> list[str]:
        found = []
        if self.control is not None and self.control not in CONTROLS:
            near = did_you_mean(self.control, CONTROLS)
            found.append(f"--control {self.control!r} is none of {', '.join(CONTROLS)}{near}")
        needs = {"--with-mlm": self.with_mlm, "--translated": self.translated,
                 "--control": self.control, "--forgetting": self.forgetting}  # fmt: skip
        found += [
            f"{flag} needs an --intermediate task"
            for flag, value in needs.items()
            if value and not self.intermediate
        ]
        if self.control in {"mlm", "fake"} and self.translated:
            found.append(f"--control {self.control} reads English alone: leave out --translated")
        if self.control == "mlm" and self.with_mlm:
            found.append("--control mlm and --with-mlm exclude each other")
        if self.mlm_ratio is not None and not self.with_mlm:
            found.append("--mlm-ratio needs --with-mlm")
        for group in self.intermediate:
            tasks = group.split(",")
            found += [
                f"--intermediate {group}: {task!r} is there twice"
                for task in sorted({t for t in tasks if tasks.count(t) > 1})
            ]
        for entry in self.target_langs:
            lang, colon, count = entry.partition(":")
            if not lang or (colon and not (count.isdecimal() and int(count))):
                found.append(f"--target-langs {entry!r} is neither LANG nor LANG:N")
        return found

    def _names(self) -> list[str]:
        found = []
        if not self.model:
            found.append("--model is empty")
        try:
            parse_device(self.device)
        except UsageError:
            found.append(f"--device {self.device!r} is none of {', '.join(DEVICES)}")
        if self.train_examples is not None:
            text = self.train_examples
            if not AMOUNT.fullmatch(text) or not float(text.rstrip("%")):
                found.append(f"--train-examples {text!r} is neither a number nor a percentage")
        tasks = [task for task, _ in self.train_split]
        twice = sorted({task for task in tasks if tasks.count(task) > 1})
        found += [f"--train-split names {task!r} twice" for task in twice]
        return found


# Fields that came later: run.json has them only where they are not at their default.
ADDED: dict[str, Any] = {
    field.name: field.default
    for field in fields(TrainConfig)
    if field.name
    in {
        "mix", "joint", "with_mlm", "mlm_ratio", "translated", "control", "forgetting",
        "target_langs",
        "dev_examples", "data_seed", "trained_on", "settings", "part_tokens", "keep",
        "gradient_checkpointing", "attention",
    }
}  # fmt: skip
