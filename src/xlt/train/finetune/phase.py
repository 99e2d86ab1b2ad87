"""One phase: a fresh head on an encoder, trained, selected on English dev, written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from xlt.core.artifacts.runs import Run
from xlt.core.encode.encoder import Encoder
from xlt.core.encode.rows import Row
from xlt.core.kinds.table import encode
from xlt.core.show.terminal import note
from xlt.train.finetune.kinds import baselines, encode_labelled
from xlt.train.finetune.scoring import SELECTION, dev_scores, task_loss
from xlt.train.loop.batches import Order, micros
from xlt.train.loop.loop import Job, decay_factors, run_job
from xlt.train.loop.vocabulary import VocabularyCut, cut_vocabulary
from xlt.train.models import fresh_head, load_encoder, save_folder
from xlt.train.plan.hyper import Hyper
from xlt.train.plan.plan import Phase, Plan
from xlt.train.seeds import derive

__all__ = ["train_phase"]

# Tokens through the model at once, and what a pass costs besides them; more does not pay on a CPU.
PARTS = {"cpu": (1024, 48), "cuda": (16384, 2048)}


def train_phase(
    plan: Plan, phase: Phase, folder: Path, run: Run, device: torch.device
) -> dict[str, Any]:
    """Train and write `phase.folder`.

    Args:
        plan: of the whole run.
        phase: which of its phases.
        folder: Hugging Face folder with the encoder and the tokenizer.
        run: gets the log, the checkpoints and the model.
        device: where to compute.

    Returns:
        The phase's entry in run.json: path, counts of examples, rows and tokens, steps, dev
        scores, baselines, hyper-parameters.
    """
    encoder = Encoder.load(folder, max_length=phase.hyper.max_length)
    data = encode_labelled(encoder, phase.task, phase.train.examples)
    tokens = int(data.lengths.sum())
    hyper = _with_batch_size(phase.hyper, tokens / len(data.rows))
    order = Order(data.lengths, hyper.batch_size, derive(plan.seed, phase.name))
    steps = order.steps(hyper.epochs)
    steps = min(steps, hyper.steps or steps)
    cut = sum(row.truncated for row in data.rows)
    shortened = f", {cut:,} rows cut to {encoder.max_length} tokens" if cut else ""
    note(
        f"{phase.name}: {len(data.rows):,} rows, {tokens:,} tokens an epoch, {steps:,} steps of "
        f"{hyper.batch_size}{shortened}"
    )
    seed = derive(plan.seed, phase.name, "head")
    model = fresh_head(folder, phase.task, seed, hyper.dropout).to(device)
    frozen = _freeze(model, hyper.frozen)
    dev = phase.dev.examples if phase.dev else ()
    dev_rows = encode(encoder, phase.task.kind, dev)
    vocabulary = _cut_vocabulary(model, encoder, (*data.rows, *dev_rows))
    pad_id = encoder.pad_id
    if vocabulary is not None:
        data = replace(data, rows=tuple(vocabulary.translate(data.rows)))
        dev_rows = vocabulary.translate(dev_rows)
        pad_id = vocabulary.place(pad_id)
    part, part_cost = PARTS[device.type]

    def evaluate() -> dict[str, float]:
        return dev_scores(model, replace(encoder, pad_id=pad_id), phase.task, dev, dev_rows, part)

    job = Job(
        name=phase.name,
        model=model,
        steps=steps,
        batch=lambda step: micros(data, order.batch(step), pad_id, part, part_cost),
        loss=task_loss,
        evaluate=evaluate if dev else None,
        metric=SELECTION,
        eval_every=hyper.eval_every or order.steps_per_epoch,
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
    save_folder(model, folder, run.path / phase.folder)
    return {
        "path": phase.folder,
        "examples": len(phase.train.examples),
        "rows": len(data.rows),
        "tokens": tokens,
        "truncated": cut,
        "steps": outcome.steps,
        "best_step": outcome.best_step,
        "loss": outcome.loss,
        "dev": {name: value for name, value in outcome.dev.items() if name != SELECTION},
        "baseline": baselines(phase.task, phase.train.examples, dev),
        "hyper": {**hyper.to_json(), "frozen": frozen},
    }


def _cut_vocabulary(
    model: nn.Module, encoder: Encoder, rows: Sequence[Row]
) -> VocabularyCut | None:
    """Train on the embeddings of these rows and of special tokens; see `loop/vocabulary.py`."""
    named = (encoder.pad_id, encoder.mask_id, encoder.unk_id)
    special = {*encoder.special_ids, *(token for token in named if token is not None)}
    return cut_vocabulary(model, rows, special)


def _with_batch_size(hyper: Hyper, mean_tokens: float) -> Hyper:
    """Turn a batch in tokens into one in examples."""
    if hyper.batch_size:
        return hyper
    return replace(hyper, batch_size=max(1, round(hyper.batch_tokens / mean_tokens)))


def _freeze(model: nn.Module, parts: tuple[str, ...]) -> list[str]:
    """Exclude parameters from training; returns their names."""
    names = []
    for name, parameter in model.named_parameters():
        if any(part in name for part in parts):
            parameter.requires_grad_(False)
            names.append(name)
    return names
