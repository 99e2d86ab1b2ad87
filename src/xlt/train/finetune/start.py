"""The folder a run starts from: a copy of the base encoder, or a new compact one."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForMaskedLM

from xlt.core.artifacts.runs import Run
from xlt.core.encode.encoder import Encoder
from xlt.core.errors import ModelError
from xlt.core.files import atomic_folder
from xlt.core.show.terminal import note
from xlt.train.lineage import add_phase, has_phase
from xlt.train.loop.loop import run_job
from xlt.train.models import load_encoder, quiet, save_folder, tokenizer_files
from xlt.train.plan.config import TrainConfig
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

__all__ = ["start_folder"]

PHASE = "0-pretrain"


def start_folder(
    config: TrainConfig, plan: Plan, corpus: Corpus | None, run: Run, device: torch.device
) -> Path:
    """A Hugging Face folder with the encoder that the first phase, or the run, starts from."""
    target = run.path / "phases" / PHASE
    if has_phase(run, PHASE):
        return target
    base = run.state / "base"
    if not base.is_dir():
        with atomic_folder(base) as folder:
            if corpus is None:
                _copy(plan, folder)
            else:
                _new_compact(config, plan, corpus, folder)
    if not plan.pretrain or corpus is None:
        return base
    outcome = None
    if plan.pretrain_steps:
        tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
        with quiet():
            model = AutoModelForMaskedLM.from_pretrained(base).float().to(device)
        job = pretraining_job(
            model,
            tokenise(corpus, tokenizer),
            plan.pretrain,
            name=PHASE,
            steps=plan.pretrain_steps,
            seed=config.seed,
            bf16=config.precision == "bf16",
            save_every=config.save_every,
        )
        outcome = run_job(job, run)
        save_folder(model.cpu(), base, target)
    else:
        shutil.copytree(base, target, dirs_exist_ok=True)
    entry = {
        "name": PHASE,
        "tasks": list(plan.pretrain),
        "path": f"phases/{PHASE}",
        "steps": outcome.steps if outcome else 0,
        "loss": outcome.loss if outcome else None,
    }
    add_phase(run, entry)
    return target


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
    rows = int(encoder.get_input_embeddings().weight.shape[0])
    tokens = Encoder.load(folder).vocab_size
    if tokens > rows:
        raise ModelError(
            f"{plan.base.name}: the tokenizer has {tokens} tokens, the model {rows}",
            "model and tokenizer do not belong together",
        )


def _new_compact(config: TrainConfig, plan: Plan, corpus: Corpus, folder: Path) -> None:
    """A tokenizer learnt from the corpus and a new model, with closed-form embeddings or not."""
    size = Size()
    texts = [text for lines in corpus.texts.values() for text in lines]
    wanted = config.vocab_size or vocabulary_size(texts)
    note(f"tokenizer: {len(texts):,} texts in {len(corpus.texts)} languages, {wanted:,} tokens")
    tokenizer = train_tokenizer(texts, wanted, folder, size.positions)
    model = new_model(
        int(tokenizer.get_vocab_size()),
        size,
        derive(config.seed, "compact"),
        aligned="tlm" in plan.pretrain,
    )
    if plan.pretrain:
        tokens = tokenise(corpus, tokenizer)
        start_bias(model, tokens)
        if "svd" in plan.pretrain:
            note("closed-form embeddings")
            start_embeddings(model, tokens, config.seed)
    with quiet():
        model.save_pretrained(folder, safe_serialization=True)
