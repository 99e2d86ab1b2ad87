"""From a configuration to a finished run: start, phases, encoder, targets.

Every part reads its start from disk and is written whole, so a run that was killed goes on
from the last complete part or checkpoint.
"""

from __future__ import annotations

import contextlib
import os
import shutil

import torch

from xlt.core.artifacts.runs import CONTINUE, LOCK, Run
from xlt.core.errors import DataError, ModelError
from xlt.core.files import refuse_non_empty
from xlt.core.inference.device import choose_device
from xlt.core.show.terminal import note
from xlt.train.finetune.phase import train_phase
from xlt.train.finetune.start import start_folder
from xlt.train.lineage import add_phase, has_phase, lineage_of
from xlt.train.models import load_encoder, save_folder
from xlt.train.plan.config import TrainConfig
from xlt.train.plan.plan import Plan, make_plan, say_overlap
from xlt.train.pretrain.compact import Corpus, read_corpus

__all__ = ["fit"]


def fit(config: TrainConfig) -> Run:
    """Train everything the configuration asks for; returns the finished run.

    With `resume`, an unfinished run goes on where it stopped and ends with the same bits
    (same machine, versions and threads), and a finished one is returned as it is.

    Raises:
        UsageError: the configuration has mistakes, or the folder is taken.
        DataError: data are missing, wrong, changed, or occur in a test file.
        ModelError: the base model or the device is not there.
        CheckFailed: the loss is not finite.
    """
    config.check()
    run, made_here, folder_was_there = None, False, config.out.is_dir()
    if config.resume and (config.out / "run.json").is_file():
        run = Run.create(config.out, config.to_json(), force=False, resume=True)
        if run.status == "done":
            return run
    elif not (config.force or config.resume):
        refuse_non_empty(config.out, force=False, other=CONTINUE)
    try:
        device = prepare_torch(config)
        plan = make_plan(config)
        tell(plan)
        corpus = None
        if config.is_compact:
            corpus = read_corpus(plan.root, parallel="tlm" in plan.pretrain)
        if run is None:
            run = Run.create(config.out, config.to_json(), force=config.force, resume=config.resume)
            made_here = True
        _work(config, plan, corpus, run, device)
    except ModelError:
        if run is not None and made_here and not run.log_size:
            _unmake(run, keep_folder=folder_was_there)
        raise
    finally:
        if run is not None:
            run.close()
    return run


def _unmake(run: Run, *, keep_folder: bool) -> None:
    """Take back a run whose model does not load or does not fit, before anything was learnt.

    The next run may then have the same folder, without --force.
    """
    for part in run.path.iterdir():
        if part.is_dir():
            shutil.rmtree(part)
        elif part.name != LOCK:
            part.unlink()
    run.close()
    if not keep_folder:
        with contextlib.suppress(OSError):  # another run has begun there already
            run.path.rmdir()


def tell(plan: Plan) -> None:
    """Show the plan and what is notable about its data."""
    note(str(plan))
    for phase in (*plan.intermediate, *plan.targets):
        for remark in dict.fromkeys((*phase.notes, *phase.train.notes)):
            note(f"  {phase.name}: {remark}")
    for hit in plan.overlaps:
        note(f"  overlap: {say_overlap(hit)}")


def prepare_torch(config: TrainConfig) -> torch.device:
    """Set threads and determinism; resolve the device.

    Raises:
        ModelError: a device that is asked for is not there.
    """
    torch.set_num_threads(config.threads or len(os.sched_getaffinity(0)))
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    device = torch.device(choose_device(config.device, cuda_devices=found, auto="cuda"))
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    return device


def _work(
    config: TrainConfig, plan: Plan, corpus: Corpus | None, run: Run, device: torch.device
) -> None:
    """Do the parts that the record does not have yet."""
    lineage = lineage_of(config, plan, corpus)
    before = run.record["lineage"]
    if not before:
        run.save(lineage=lineage)
    elif before["data"] != lineage["data"]:
        raise DataError(
            f"the data of {run.path} changed since it was started",
            "put the old files back, or start anew with --force",
        )
    folder = start_folder(config, plan, corpus, run, device)
    for phase in plan.intermediate:
        if not has_phase(run, phase.name):
            entry = train_phase(phase, folder, run, config, device)
            add_phase(run, {"name": phase.name, "tasks": [phase.task.name], **entry})
        folder = run.path / phase.folder
    encoder = run.path / "encoder"
    if run.encoder is None:
        save_folder(load_encoder(folder), folder, encoder)
        run.save(encoder=encoder.name)
    for phase in plan.targets:
        if phase.name not in run.record["targets"]:
            entry = train_phase(phase, encoder, run, config, device)
            entry = {"task": phase.task.to_json(), "serves": list(phase.serves), **entry}
            run.save(targets={**run.record["targets"], phase.name: entry})
            shutil.rmtree(run.state / phase.name, ignore_errors=True)
    run.finish()
