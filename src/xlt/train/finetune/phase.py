"""One phase: fresh heads on an encoder, trained, selected on English dev, written."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from xlt.core.artifacts.runs import Run
from xlt.core.errors import ModelError
from xlt.core.show.terminal import note
from xlt.train.finetune.heads import Heads, head_of
from xlt.train.finetune.prepared import Labelled, Masked, prepare
from xlt.train.finetune.scoring import SELECTION, task_loss
from xlt.train.finetune.start import put_masked_head
from xlt.train.finetune.warn import below_baseline
from xlt.train.loop.loop import (
    Job,
    Micro,
    Outcome,
    decay_factors,
    run_job,
)
from xlt.train.loop.memory import named_out_of_memory
from xlt.train.loop.mixture import Mixture
from xlt.train.loop.vocabulary import VocabularyCut, cut_vocabulary
from xlt.train.models import fresh_head, load_encoder, save_folder, write_folder
from xlt.train.plan.mix import draws
from xlt.train.plan.phases import Phase
from xlt.train.plan.plan import Plan
from xlt.train.pretrain.objectives import masked_loss
from xlt.train.seeds import derive

__all__ = ["count_steps", "train_phase"]

MASKED_LM = "mlm"


def train_phase(
    plan: Plan, phase: Phase, folder: Path, run: Run, device: torch.device, *, longer: int = 0
) -> dict[str, Any]:
    """Train and write `phase.folder`.

    Args:
        plan: of the whole run.
        phase: which of its phases.
        folder: Hugging Face folder with the encoder and the tokenizer.
        run: gets the log, the checkpoints and the model.
        device: where to compute.
        longer: steps on top of its own.

    Returns:
        The phase's entry in run.json: path, counts of examples, rows and tokens, steps, dev
        scores, baselines, hyper-parameters; `others` tells the same of further tasks.
    """
    tasks = _prepare(plan, phase, folder, device)
    first = tasks[0]
    mixture = _mixture(plan, phase, tasks)
    hyper = replace(phase.hyper, batch_size=first.hyper.batch_size)
    steps = mixture.steps(hyper.epochs)
    steps = min(steps, hyper.steps or steps) + longer
    note(_begins(phase, tasks, steps))
    with named_out_of_memory(f"the model of {phase.name}"):
        model = _model(plan, phase, folder, run).to(device)
    frozen = _freeze(model, hyper.frozen)
    vocabulary = _cut_vocabulary(model, tasks)

    first_scores = True

    def evaluate() -> dict[str, float]:
        nonlocal first_scores
        scores = _scores(model, phase, tasks)
        if first_scores:
            _warn(tasks, scores, hyper.lr)
        first_scores = False
        return scores

    def keep(step: int) -> None:
        _keep(model, vocabulary, folder, checkpoints, decay_factors(job, step), step)
        for old in sorted(checkpoints.glob("step-*"))[: -plan.keep]:
            shutil.rmtree(old)

    checkpoints = run.path / "checkpoints" / phase.name
    selects = any(part.dev and part.selects for part in phase.parts)
    job = Job(
        name=phase.name,
        model=model,
        steps=steps,
        batch=lambda step: mixture.batch(step)[1],
        named=mixture.named,
        keep=keep if plan.keep else None,
        loss=_loss,
        evaluate=evaluate if selects else None,
        metric=SELECTION,
        eval_every=hyper.eval_every or mixture.steps_per_round,
        patience=hyper.patience,
        lr=hyper.lr,
        warmup=hyper.warmup,
        weight_decay=hyper.weight_decay,
        seed=plan.seed,
        bf16=plan.bf16,
        save_every=plan.save_every,
    )
    outcome = run_job(job, run)
    model.cpu()
    if vocabulary is not None:
        whole_VD = load_encoder(folder).get_input_embeddings().weight
        vocabulary.restore(whole_VD, decay_factors(job, outcome.best_step))
    written = model.first if isinstance(model, Heads) else model
    save_folder(written, folder, run.path / phase.folder)
    entry = _entry(phase, first, outcome, {**hyper.to_json(), "frozen": frozen})
    if len(tasks) > 1:
        entry["mix"] = phase.mix
        entry["draws"] = dict(zip(mixture.names, mixture.counts, strict=True))
        entry["others"] = {task.part.name: _facts(task, outcome.dev) for task in tasks[1:]}
    if longer:
        entry["longer"] = longer
    if phase.control:
        entry["control"] = phase.control
    return entry


def count_steps(plan: Plan, phase: Phase, folder: Path) -> int:
    """The steps that a phase would take; it is encoded and not trained."""
    steps = _mixture(plan, phase, _prepare(plan, phase, folder, None)).steps(phase.hyper.epochs)
    return min(steps, phase.hyper.steps or steps)


def _prepare(
    plan: Plan, phase: Phase, folder: Path, device: torch.device | None
) -> list[Labelled | Masked]:
    # the first task draws what it would draw alone
    seeds = [derive(plan.seed, phase.name)]
    seeds += [derive(plan.seed, phase.name, part.name) for part in phase.parts[1:]]
    return [
        prepare(part, folder, seed, device, plan.part_tokens)
        for part, seed in zip(phase.parts, seeds, strict=True)
    ]


def _mixture(plan: Plan, phase: Phase, tasks: Sequence[Labelled | Masked]) -> Mixture:
    counts = draws(phase.mix, phase.parts, [task.order.steps_per_epoch for task in tasks])
    return Mixture(
        phase.tasks,
        counts,
        [task.batch for task in tasks],
        derive(plan.seed, phase.name),
        [task.named for task in tasks],
    )


def _model(plan: Plan, phase: Phase, folder: Path, run: Run) -> Any:
    """The model of the phase's task, or several on one encoder."""
    models = []
    for place, part in enumerate(phase.parts):
        seed = derive(plan.seed, phase.name, "head", *([part.name] if place else []))
        model = fresh_head(folder, part.task, seed, part.hyper.dropout, plan.attention)
        if plan.gradient_checkpointing:
            _keep_less(model)
        if part.task.kind == MASKED_LM:
            put_masked_head(model, run)
        models.append(model)
    return models[0] if len(models) == 1 else Heads(phase.tasks, models)


def _keep(
    model: Any,
    vocabulary: VocabularyCut | None,
    folder: Path,
    checkpoints: Path,
    decays: Sequence[float],
    step: int,
) -> None:
    """Write the weights as they are, with the whole table of embeddings; nothing changes."""
    written: Any = model.models[0] if isinstance(model, Heads) else model
    state = {name: tensor.detach().cpu() for name, tensor in written.state_dict().items()}
    size = written.config.vocab_size
    if vocabulary is not None:
        table = written.get_input_embeddings().weight
        whole_VD = load_encoder(folder).get_input_embeddings().weight
        for name, parameter in written.named_parameters():
            if parameter is table:
                state[name] = vocabulary.whole(whole_VD, decays)
        written.config.vocab_size = vocabulary.rows
    write_folder(written, folder, checkpoints / f"step-{step:09d}", state)
    written.config.vocab_size = size


def _keep_less(model: Any) -> None:
    """Compute activations again in the backward pass instead of keeping them.

    Raises:
        ModelError: the architecture has no such switch.
    """
    if not model.supports_gradient_checkpointing:
        raise ModelError(
            f"{model.config.model_type} models have no gradient checkpointing",
            "leave the flag out, and lower --part-tokens",
        )
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})


def _loss(model: nn.Module, micro: Micro) -> Tensor:
    """That of the head that the part is for."""
    head = head_of(model, micro.head)
    return masked_loss(head, micro) if micro.head == MASKED_LM else task_loss(head, micro)


def _warn(tasks: Sequence[Labelled | Masked], scores: dict[str, float], lr: float) -> None:
    for place, task in enumerate(tasks):
        found = _facts(task, scores, prefix=None if place else "")
        told = below_baseline(
            task.part.name, task.part.task.metric, found["dev"], found["baseline"], lr
        )
        if told:
            note(told)


def _scores(model: nn.Module, phase: Phase, tasks: Sequence[Labelled | Masked]) -> dict[str, float]:
    """Dev scores of every task, those of further ones as `task.metric`, and what selects.

    That is the mean over the tasks that choose the weights.
    """
    found: dict[str, float] = {}
    selection = []
    for place, (part, task) in enumerate(zip(phase.parts, tasks, strict=True)):
        scores = task.scores(head_of(model, part.name))
        if scores and part.selects:
            selection.append(scores[SELECTION])
        prefix = f"{part.name}." if place else ""
        found |= {f"{prefix}{name}": v for name, v in scores.items() if name != SELECTION}
    return {**found, SELECTION: sum(selection) / len(selection)}


def _entry(
    phase: Phase, task: Labelled | Masked, outcome: Outcome, hyper: dict[str, Any]
) -> dict[str, Any]:
    facts = _facts(task, outcome.dev, prefix="")
    return {
        "path": phase.folder,
        **{name: facts[name] for name in ("examples", "rows", "tokens", "truncated")},
        "steps": outcome.steps,
        "best_step": outcome.best_step,
        "loss": outcome.loss,
        "dev": facts["dev"],
        "baseline": facts["baseline"],
        "hyper": hyper,
    }


def _facts(
    task: Labelled | Masked, dev: dict[str, float], prefix: str | None = None
) -> dict[str, Any]:
    """What run.json says about one task of a phase."""
    prefix = f"{task.part.name}." if prefix is None else prefix
    return {
        "examples": task.part.size,
        "rows": task.count,
        "tokens": task.tokens,
        "truncated": task.truncated,
        "batch_size": task.hyper.batch_size,
        "dev": {
            name.removeprefix(prefix): value
            for name, value in dev.items()
            if name != SELECTION and name.startswith(prefix) and (prefix or "." not in name)
        },
        "baseline": task.baseline(),
    }


def _begins(phase: Phase, tasks: Sequence[Labelled | Masked], steps: int) -> str:
    said = []
    for task in tasks:
        cut = task.truncated
        shortened = f", {cut:,} rows cut to {task.encoder.max_length} tokens" if cut else ""
        named = f"{task.part.name}: " if len(tasks) > 1 else ""
        said.append(
            f"{named}{task.count:,} rows, {task.tokens:,} tokens an epoch, batches of "
            f"{task.hyper.batch_size}{shortened}"
        )
    return f"{phase.name}: {'; '.join(said)}; {steps:,} steps"


def _cut_vocabulary(model: nn.Module, tasks: Sequence[Labelled | Masked]) -> VocabularyCut | None:
    """Train on the embeddings that occur and of special tokens; see `loop/vocabulary.py`.

    With masked LM the table stays whole: any token may stand in for another.
    """
    if any(isinstance(task, Masked) for task in tasks):
        return None
    encoder = tasks[0].encoder
    named = (encoder.pad_id, encoder.mask_id, encoder.unk_id)
    special = {*encoder.special_ids, *(token for token in named if token is not None)}
    vocabulary = cut_vocabulary(model, (row for task in tasks for row in task.rows), special)
    if vocabulary is not None:
        for task in tasks:
            task.translate(vocabulary)
    return vocabulary


def _freeze(model: nn.Module, parts: tuple[str, ...]) -> list[str]:
    """Exclude parameters from training; returns their names."""
    names = []
    for name, parameter in model.named_parameters():
        if any(part in name for part in parts):
            parameter.requires_grad_(False)
            names.append(name)
    return names
