"""Hyper-parameters: the defaults of every kind and task with their sources, flags on top.

Pretrained encoders: learning rates and weight decay of XTREME's baseline scripts (Hu et al.
2020), epochs, batches and warm-up of X-STILTs (Phang et al. 2020). The compact encoder is
some thousand times smaller and needs larger steps; its values were chosen on English dev.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from xlt.core.encode.families import FAMILIES
from xlt.core.tasks.table import Task
from xlt.train.plan.config import COMPACT_FAMILY, TrainConfig
from xlt.train.plan.ranges import WHOLE

__all__ = ["Hyper", "of_phase", "resolve"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyper:
    """How one phase is trained.

    Attributes:
        lr: peak learning rate.
        epochs: passes over the data.
        steps: upper bound of the steps, None for no bound.
        batch_size: examples per step; 0: as many as make `batch_tokens` on average.
        batch_tokens: only with `batch_size` 0.
        max_length: tokens per model input.
        warmup: share of the steps.
        weight_decay: never on biases and norms.
        eval_every: steps between dev evaluations, None: once an epoch.
        patience: dev evaluations without improvement before stopping, None: never.
        dropout: in the encoder and the head; None: what the model's configuration says.
        frozen: parameters (by part of their name) that are not trained.
    """

    lr: float
    epochs: float
    steps: int | None = None
    batch_size: int = 0
    batch_tokens: int = 0
    max_length: int = 128
    warmup: float = 0.1
    weight_decay: float = 0.0
    eval_every: int | None = None
    patience: int | None = None
    dropout: float | None = None
    frozen: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A plain dict for run.json."""
        return asdict(self)


PRETRAINED = {
    "pair": Hyper(lr=2e-5, epochs=3, batch_size=32),
    "choice": Hyper(lr=1e-5, epochs=7, batch_size=24),
    "tag": Hyper(lr=2e-5, epochs=10, batch_size=32),
    "span": Hyper(lr=3e-5, epochs=3, batch_size=32, weight_decay=1e-4),
    "mlm": Hyper(lr=5e-5, epochs=1, batch_size=32, weight_decay=0.01),
}
# Epochs of X-STILTs (appendix and its released configurations), by task.
EPOCHS = {
    "xnli": 2, "pawsx": 5, "udpos": 10, "panx": 10, "xquad": 2, "mlqa": 2, "tydiqa": 2,
    "anli+": 2, "mnli": 2, "qqp": 3, "squad": 3, "squad2": 3, "hellaswag": 7, "ccg": 15,
    "cosmosqa": 15, "csqa": 10,
}  # fmt: skip
EMBEDDINGS = (FAMILIES[COMPACT_FAMILY].embeddings,)
# The compact encoder after translation LM: its token embeddings are aligned between languages,
# and stay so only while they are frozen.
ALIGNED = {
    "pair": Hyper(lr=7e-4, epochs=4, batch_tokens=768, frozen=EMBEDDINGS),
    "choice": Hyper(lr=1e-3, epochs=4, batch_size=8, frozen=EMBEDDINGS),
    "tag": Hyper(lr=1e-3, epochs=4, batch_tokens=768, frozen=EMBEDDINGS),
    "span": Hyper(lr=1e-3, epochs=3, batch_tokens=768, frozen=EMBEDDINGS),
    "mlm": Hyper(lr=1e-3, epochs=1, batch_tokens=768, weight_decay=0.01, frozen=EMBEDDINGS),
}
# PAWS-X differs in word order alone: with larger steps the encoder stays at chance.
ALIGNED_TASKS: dict[str, dict[str, Any]] = {"pawsx": {"lr": 3e-4, "epochs": 5.0}}
# Without parallel text there is no alignment to lose, and few examples teach the words.
UNALIGNED = {
    "pair": Hyper(lr=1e-3, epochs=4, batch_tokens=768, dropout=0.1),
    "choice": Hyper(lr=1e-3, epochs=4, batch_size=8, dropout=0.1),
    "tag": Hyper(lr=3e-3, epochs=8, batch_tokens=768, dropout=0.2),
    "span": Hyper(lr=1e-3, epochs=3, batch_tokens=1536, dropout=0.1),
    "mlm": Hyper(lr=1e-3, epochs=1, batch_tokens=768, weight_decay=0.01),
}
MIXTURE_EPOCHS = 3.0  # of several tasks at once (Phang et al. 2020)


def resolve(
    config: TrainConfig, task: Task, *, compact: bool, aligned: bool, phase: str = ""
) -> Hyper:
    """The defaults of the task for this encoder, overridden by flags, then by settings.

    Args:
        config: the flags.
        task: what is trained.
        compact: whether the encoder is, or descends from, `--model compact`.
        aligned: whether its phase 0 read parallel text.
        phase: where it is trained.
    """
    default = ((ALIGNED if aligned else UNALIGNED) if compact else PRETRAINED)[task.kind]
    if not compact:
        default = replace(default, epochs=EPOCHS.get(task.name, default.epochs))
    elif aligned:
        default = replace(default, **ALIGNED_TASKS.get(task.name, {}))
    flags: dict[str, Any] = {
        "lr": config.lr,
        "epochs": config.epochs,
        "steps": config.steps,
        "batch_size": config.batch_size,
        "max_length": config.max_length or task.max_length,
        "warmup": config.warmup,
        "weight_decay": config.weight_decay,
        "eval_every": config.eval_every,
        "patience": config.patience,
    }
    given = {name: value for name, value in flags.items() if value is not None}
    for scope in (task.kind, task.name, phase):
        given |= _settings(config, scope)
    return replace(default, **given)


def of_phase(config: TrainConfig, hypers: Sequence[Hyper], *, name: str, target: bool) -> Hyper:
    """How a phase with these tasks is trained.

    One task: as that task is. Several: batch and length stay each task's own; the learning rate
    and the weight decay are the smallest among them, and they are trained for three rounds, or,
    when the first is a target, for as many as the target alone. Settings of the phase win.
    """
    first = hypers[0]
    if len(hypers) == 1:
        return first
    epochs = first.epochs if target else config.epochs or MIXTURE_EPOCHS
    joined = replace(
        first,
        lr=min(hyper.lr for hyper in hypers),
        weight_decay=min(hyper.weight_decay for hyper in hypers),
        epochs=epochs,
        frozen=tuple(dict.fromkeys(name for hyper in hypers for name in hyper.frozen)),
    )
    return replace(joined, **_settings(config, name))


def _settings(config: TrainConfig, scope: str) -> dict[str, Any]:
    return {
        name: int(value) if name in WHOLE else value
        for where, name, value in config.settings
        if where == scope
    }
