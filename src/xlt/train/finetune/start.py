"""Where a run starts from: a copy of the base encoder, or a new compact one and its phase 0."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor
from transformers import AutoModelForMaskedLM

from xlt.core.artifacts.runs import Run
from xlt.core.encode.encoder import Encoder
from xlt.core.errors import ModelError
from xlt.core.files import atomic_folder
from xlt.core.show.terminal import note
from xlt.train.loop.loop import run_job
from xlt.train.models import (
    check_head,
    load_encoder,
    masked_lm_head,
    quiet,
    save_folder,
    saving,
    tokenizer_files,
)
from xlt.train.plan.plan import Plan
from xlt.train.pretrain.compact import (
    Corpus,
    Size,
    new_model,
    train_tokenizer,
    vocabulary_size,
)
from xlt.train.pretrain.objectives import pretraining_job, start_bias, start_embeddings, tokenise
from xlt.train.seeds import derive
from xlt.train.workers import workers

__all__ = ["PRETRAINING", "pretrain", "put_masked_head", "write_start"]

PRETRAINING = "0-pretrain"
MASKED_HEAD = "masked_lm_head.safetensors"


def write_start(plan: Plan, corpus: Corpus | None, target: Path) -> None:
    """Write the Hugging Face folder that phase 0, or the first phase, starts from.

    Args:
        plan: of the run.
        corpus: text for a new compact encoder; None copies the base encoder.
        target: the folder, written as a whole.

    Raises:
        ModelError: the base does not load, its tokenizer does not fit it, or it has no head for
            one of the phases.
    """
    with atomic_folder(target) as folder, saving(target):
        if corpus is None:
            _copy(plan, folder)
        else:
            _new_compact(plan, corpus, folder)
        for phase in plan.phases:
            for part in phase.parts:
                check_head(folder, part.task)


def pretrain(
    plan: Plan, corpus: Corpus, base: Path, run: Run, device: torch.device
) -> dict[str, Any]:
    """Phase 0 of a new compact encoder: read `base`, write the pretrained folder.

    Returns:
        The phase's entry in run.json.
    """
    target = run.path / "phases" / PRETRAINING
    outcome = None
    if plan.pretraining.steps:
        tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
        with quiet():
            model = AutoModelForMaskedLM.from_pretrained(base).float().to(device)
        job = pretraining_job(plan, model, tokenise(corpus, tokenizer), name=PRETRAINING)
        outcome = run_job(job, run)
        save_folder(model.cpu(), base, target)
    else:
        if workers().leads:
            shutil.copytree(base, target, dirs_exist_ok=True)
        workers().wait()
    return {
        "name": PRETRAINING,
        "tasks": list(plan.pretraining.parts),
        "path": f"phases/{PRETRAINING}",
        "steps": outcome.steps if outcome else 0,
        "loss": outcome.loss if outcome else None,
    }


def put_masked_head(model: Any, run: Run) -> None:
    """Give a masked LM the head of the model that the run started from, where that has one."""
    base, pretrained = run.state / "base", run.path / "phases" / PRETRAINING
    if (base / MASKED_HEAD).is_file():
        head: dict[str, Tensor] | None = load_file(base / MASKED_HEAD)
    else:
        head = masked_lm_head(pretrained if pretrained.is_dir() else base)
    if head is None:
        note("masked LM begins with a new head: the model brings none")
    else:
        model.load_state_dict(head, strict=False)


def _copy(plan: Plan, folder: Path) -> None:
    """The encoder and tokenizer of a hub id or folder.

    Raises:
        ModelError: they are missing, or the tokenizer has more tokens than the model.
    """
    source = plan.base.source
    assert source is not None
    tokenizer_files(source, folder)
    encoder = load_encoder(source)
    with quiet():
        encoder.save_pretrained(folder, safe_serialization=True)
    if plan.has_masked_lm and (head := masked_lm_head(source)):
        save_file(head, folder / MASKED_HEAD)
    rows = int(encoder.get_input_embeddings().weight.shape[0])
    tokens = Encoder.load(folder).vocab_size
    if tokens > rows:
        raise ModelError(
            f"{plan.base.name}: the tokenizer has {tokens} tokens, the model {rows}",
            "model and tokenizer do not belong together",
        )


def _new_compact(plan: Plan, corpus: Corpus, folder: Path) -> None:
    """A tokenizer learnt from the corpus and a new model, with closed-form embeddings or not."""
    size = Size()
    parts = plan.pretraining.parts
    texts = [text for lines in corpus.texts.values() for text in lines]
    wanted = plan.pretraining.vocab_size or vocabulary_size(texts)
    note(f"tokenizer: {len(texts):,} texts in {len(corpus.texts)} languages, {wanted:,} tokens")
    tokenizer = train_tokenizer(texts, wanted, folder, size.positions)
    model = new_model(
        int(tokenizer.get_vocab_size()),
        size,
        derive(plan.seed, "compact"),
        aligned="tlm" in parts,
    )
    if parts:
        tokens = tokenise(corpus, tokenizer)
        start_bias(model, tokens)
        if "svd" in parts:
            note("closed-form embeddings")
            start_embeddings(model, tokens, plan.seed)
    with quiet():
        model.save_pretrained(folder, safe_serialization=True)
