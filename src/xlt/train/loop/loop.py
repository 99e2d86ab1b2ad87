"""The training loop: AdamW, linear warm-up and decay, clipping, selection, checkpoints.

One loop serves every phase. A step is a pure function of the weights, the moments and the
step number, so a run that was killed continues with the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from xlt.core.artifacts.runs import Run
from xlt.core.errors import CheckFailed
from xlt.core.show.terminal import progress
from xlt.train.loop.memory import named_out_of_memory
from xlt.train.loop.meter import Meter
from xlt.train.loop.products import with_fast_products
from xlt.train.loop.state import State
from xlt.train.loop.vocabulary import clip_gradients
from xlt.train.seeds import derive
from xlt.train.workers import workers

__all__ = ["Job", "Micro", "Outcome", "decay_factors", "run_job"]

CLIP = 1.0
EPSILON = 1e-8
LOG_EVERY = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Micro:
    """A part of an optimisation step that goes through the model at once.

    Attributes:
        feeds: model inputs, int64 arrays (B, L) or (B, C, L).
        targets: what the loss compares with.
        weight: labels in it; the step's gradient is that of (sum of losses) / (sum of weights).
        examples: rows in it.
        head: the task it is for, where a phase has several.
    """

    feeds: dict[str, np.ndarray]
    targets: np.ndarray
    weight: int
    examples: int
    head: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one phase gives to the loop.

    Attributes:
        name: for the screen, the log and the state folder.
        model: in fp32, on the device.
        steps: optimisation steps.
        batch: step number -> its parts; a pure function.
        loss: model and part -> summed loss.
        evaluate: dev scores, `metric` among them; None: keep the last weights.
        metric: which score selects, larger is better.
        eval_every: steps between evaluations.
        patience: evaluations without improvement before stopping.
        lr, warmup, weight_decay, betas: AdamW and its schedule.
        slow: parts of parameter names -> factor on their learning rate.
        named: step number -> its examples in words, for the message of a loss that is not finite.
        keep: called after each dev evaluation with the steps done, to write the weights.
        seed: of this job.
        bf16: autocast to bfloat16.
    """

    name: str
    model: nn.Module
    steps: int
    batch: Callable[[int], Sequence[Micro]]
    loss: Callable[[nn.Module, Micro], Tensor]
    evaluate: Callable[[], dict[str, float]] | None = None
    metric: str = ""
    eval_every: int = 0
    patience: int | None = None
    lr: float = 1e-3
    warmup: float = 0.1
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    slow: dict[str, float] = field(default_factory=dict)
    named: Callable[[int], str] | None = None
    keep: Callable[[int], None] | None = None
    seed: int = 1
    bf16: bool = False
    save_every: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a job went: steps done, the selected step, its dev scores, the last mean loss."""

    steps: int
    best_step: int
    dev: dict[str, float]
    loss: float


@dataclass(slots=True, kw_only=True)
class Position:
    """Where a job stands; all of it goes into a checkpoint."""

    step: int = 0
    best: str | None = None
    best_step: int = 0
    best_score: float = -math.inf
    dev: dict[str, float] = field(default_factory=dict)
    stale: int = 0
    loss_sum: float = 0.0
    loss_steps: int = 0
    loss: float = 0.0

    def to_json(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in self.__slots__}
        return {**values, "best_score": self.best_score if self.best else None}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Position:
        known = {name: value[name] for name in cls.__slots__}
        if known["best_score"] is None:
            known["best_score"] = -math.inf
        return cls(**known)


def run_job(job: Job, run: Run) -> Outcome:
    """Train to the end (or until patience ends), leaving the selected weights in the model.

    Raises:
        CheckFailed: the loss or the gradient is not finite.
        UsageError: out of memory.
    """
    model = job.model
    changed = with_fast_products(model)
    optimizer = _optimizer(job)
    state = State(run.state / job.name)
    stored = state.load(model, optimizer)
    at = Position.from_json(stored) if stored else Position()
    if stored:
        run.rewind_log(stored["log_size"])
    else:
        run.restart_log(job.name)
    meter = Meter()
    model.train()
    with progress(
        job.name, job.steps, "steps", lambda: _status(at, job, meter), done=at.step
    ) as tick:
        while at.step < job.steps and not _stopped(at, job):
            with meter.spent_on("training"):
                _count(meter, _step(job, optimizer, at, state))
            at.step += 1
            if at.step % LOG_EVERY == 0 or at.step == job.steps:
                at.loss = at.loss_sum / at.loss_steps
                at.loss_sum, at.loss_steps = 0.0, 0
                run.log(phase=job.name, step=at.step, loss=at.loss, lr=_rate(job, at.step - 1))
            if job.evaluate and (at.step % job.eval_every == 0 or at.step == job.steps):
                _evaluate(job, at, state, run, meter)
            tick(1)
            if workers().leads and _save_is_due(job, at.step, meter):
                with meter.spent_on("saving"):
                    position = {**at.to_json(), "log_size": run.log_size}
                    state.save(at.step, model, optimizer, position)
                meter.saved()
    workers().wait()
    if at.best:
        state.load_best(at.best, model)
    workers().wait()
    by_onednn = {"onednn_layers": changed} if changed else {}
    run.measure(job.name, **meter.record(), **by_onednn)
    best_step = at.best_step if at.best else at.step
    return Outcome(steps=at.step, best_step=best_step, dev=at.dev, loss=at.loss)


def _step(
    job: Job, optimizer: torch.optim.Optimizer, at: Position, state: State
) -> Sequence[Micro]:
    """One optimisation step; returns its parts."""
    model = job.model
    team = workers()
    # each process draws dropout of its own; alone, and as the first, it is as ever
    own = () if team.leads else (team.rank,)
    torch.manual_seed(derive(job.seed, job.name, at.step, *own))
    micros = job.batch(at.step)
    weight = sum(micro.weight for micro in micros)
    device = next(model.parameters()).device
    total = torch.zeros((), dtype=torch.float64, device=device)  # a GPU is waited for once
    rows = max(micro.examples for micro in micros)
    here = f"step {at.step + 1} of {job.name} ({rows} rows at once)"
    with named_out_of_memory(here):
        for micro in team.share(micros):
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=job.bf16):
                loss = job.loss(model, micro) / weight
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        team.add_gradients(model)
        value = team.add(float(total), device)
        norm = clip_gradients(model, CLIP)
    if not (math.isfinite(value) and math.isfinite(norm)):
        last = state.latest()
        held = f"{sum(m.examples for m in micros)} examples"
        if job.named is not None:
            held = f"{held}, {job.named(at.step)}"
        raise CheckFailed(
            f"loss {value}, gradient norm {norm} in step {at.step + 1} of {job.name} ({held})",
            f"lower --lr; last good checkpoint: {last or 'none yet'}",
        )
    rate = _rate(job, at.step)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]
    with named_out_of_memory(here):
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    at.loss_sum += value
    at.loss_steps += 1
    return micros


def _count(meter: Meter, micros: Sequence[Micro]) -> None:
    meter.steps += 1
    for micro in micros:
        ids = micro.feeds["input_ids"]
        mask = micro.feeds.get("attention_mask")
        meter.examples += micro.examples
        meter.padded += ids.size
        meter.tokens += ids.size if mask is None else int(mask.sum())


def _evaluate(job: Job, at: Position, state: State, run: Run, meter: Meter) -> None:
    """Score English dev; keep the weights when they are the best so far."""
    assert job.evaluate is not None
    job.model.eval()
    here = f"dev scores after step {at.step} of {job.name}"
    with meter.spent_on("dev"), torch.no_grad(), named_out_of_memory(here):
        # the leader scores, so that all processes select and stop alike
        scores = workers().told(job.evaluate() if workers().leads else {})
    job.model.train()
    run.log(phase=job.name, step=at.step, dev=scores)
    if job.keep is not None and workers().leads:
        with meter.spent_on("saving"):
            job.keep(at.step)
    if scores[job.metric] > at.best_score:
        with meter.spent_on("saving"):
            at.best, at.best_step = state.save_best(at.step, job.model), at.step
        at.best_score, at.dev, at.stale = scores[job.metric], scores, 0
    else:
        at.stale += 1


def _stopped(at: Position, job: Job) -> bool:
    return job.patience is not None and at.stale >= job.patience


def _save_is_due(job: Job, step: int, meter: Meter) -> bool:
    if job.save_every is not None:
        return step % job.save_every == 0
    return meter.save_is_due()


def _rate(job: Job, step: int) -> float:
    """Linear warm-up to the peak, then linear decay to zero, at 0-based `step`."""
    rising = math.ceil(job.warmup * job.steps)
    if step < rising:
        return job.lr * (step + 1) / rising
    return job.lr * (job.steps - step) / max(1, job.steps - rising)


def _optimizer(job: Job) -> torch.optim.AdamW:
    """AdamW over what is trained: no decay on vectors (biases, norms), slow groups apart."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in job.model.named_parameters():
        if parameter.requires_grad:
            decay = job.weight_decay if parameter.ndim > 1 else 0.0
            factors = [factor for part, factor in job.slow.items() if part in name]
            groups.setdefault((decay, factors[0] if factors else 1.0), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": parameters, "weight_decay": decay, "factor": factor}
            for (decay, factor), parameters in groups.items()
        ],
        lr=job.lr,
        betas=job.betas,
        eps=EPSILON,
        fused=_is_fused(job.model),
    )


def _is_fused(model: nn.Module) -> bool | None:
    """Whether one kernel can do the whole update; None where there is none for the device."""
    kinds = {p.device.type for p in model.parameters()}
    return True if kinds <= {"cpu", "cuda"} else None


def decay_factors(job: Job, steps: int) -> list[float]:
    """What the first `steps` steps multiplied a decayed weight without gradient with, in order."""
    if not job.weight_decay:
        return []
    return [1 - _rate(job, step) * job.weight_decay for step in range(steps)]


def _status(at: Position, job: Job, meter: Meter) -> str:
    loss = at.loss_sum / at.loss_steps if at.loss_steps else at.loss
    best = f", {job.metric} {at.best_score:.1f}" if at.best else ""
    return f"loss {loss:.3f}, {meter.status()}{best}, lr {_rate(job, max(0, at.step - 1)):.1e}"
