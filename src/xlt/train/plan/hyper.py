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
from xlt.core.tasks.ranges import WHOLE
from xlt.core.tasks.table import Task
from xlt.train.plan.config import COMPACT_FAMILY, TrainConfig

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """How a kind is trained, by the encoder that it is trained on.

    Attributes:
        pretrained: any encoder but compact ones.
        aligned: compact after translation LM: its token embeddings are aligned between languages,
            and stay so only while they are frozen.
        unaligned: compact without parallel text: there is no alignment to lose, and few examples
            teach the words.
    """

    pretrained: Hyper
    aligned: Hyper
    unaligned: Hyper


EMBEDDINGS = (FAMILIES[COMPACT_FAMILY].embeddings,)
DEFAULTS: dict[str, Defaults] = {
    "pair": Defaults(
        pretrained=Hyper(lr=2e-5, epochs=3, batch_size=32),
        aligned=Hyper(lr=7e-4, epochs=4, batch_tokens=768, frozen=EMBEDDINGS),
        unaligned=Hyper(lr=1e-3, epochs=4, batch_tokens=768, dropout=0.1),
    ),
    "choice": Defaults(
        pretrained=Hyper(lr=1e-5, epochs=7, batch_size=24),
        aligned=Hyper(lr=1e-3, epochs=4, batch_size=8, frozen=EMBEDDINGS),
        unaligned=Hyper(lr=1e-3, epochs=4, batch_size=8, dropout=0.1),
    ),
    "tag": Defaults(
        pretrained=Hyper(lr=2e-5, epochs=10, batch_size=32),
        aligned=Hyper(lr=1e-3, epochs=4, batch_tokens=768, frozen=EMBEDDINGS),
        unaligned=Hyper(lr=3e-3, epochs=8, batch_tokens=768, dropout=0.2),
    ),
    "span": Defaults(
        pretrained=Hyper(lr=3e-5, epochs=3, batch_size=32, weight_decay=1e-4),
        aligned=Hyper(lr=1e-3, epochs=3, batch_tokens=768, frozen=EMBEDDINGS),
        unaligned=Hyper(lr=1e-3, epochs=3, batch_tokens=1536, dropout=0.1),
    ),
    "mlm": Defaults(
        pretrained=Hyper(lr=5e-5, epochs=1, batch_size=32, weight_decay=0.01),
        aligned=Hyper(lr=1e-3, epochs=1, batch_tokens=768, weight_decay=0.01, frozen=EMBEDDINGS),
        unaligned=Hyper(lr=1e-3, epochs=1, batch_tokens=768, weight_decay=0.01),
    ),
}
# Where a task differs from its kind. Epochs on pretrained encoders: X-STILTs (appendix and its
# released configurations). PAWS-X differs in word order alone: with larger steps a compact
# encoder stays at chance.
OF_TASK: dict[str, dict[str, dict[str, Any]]] = {
    "pretrained": {
        **{task: {"epochs": 2} for task in ("xnli", "xquad", "mlqa", "tydiqa", "anli+", "mnli")},
        **{task: {"epochs": 3} for task in ("qqp", "squad", "squad2")},
        "pawsx": {"epochs": 5},
        "hellaswag": {"epochs": 7},
        **{task: {"epochs": 10} for task in ("udpos", "panx", "csqa")},
        **{task: {"epochs": 15} for task in ("ccg", "cosmosqa")},
    },
    "aligned": {"pawsx": {"lr": 3e-4, "epochs": 5.0}},
    "unaligned": {},
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
    encoder = ("aligned" if aligned else "unaligned") if compact else "pretrained"
    default: Hyper = getattr(DEFAULTS[task.kind], encoder)
    default = replace(default, **OF_TASK[encoder].get(task.name, {}))
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
