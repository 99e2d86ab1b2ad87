"""A run from top to bottom.

1. Look at the output folder: a finished run is returned, an unfinished one continued.
2. Resolve the device, set threads and determinism.
3. Plan (plan/): base model, tasks, data, hyper-parameters, overlaps with test files. From here on
   everything takes the plan; the configuration is read no more.
4. Begin the run: run.json, the lock, lineage (lineage.py). With --force the base model is loaded
   first, and only then the old run is replaced.
5. Write the folder that training starts from: a copy of the base encoder, or a new compact one
   and its phase 0 (finetune/start.py, pretrain/).
6. Train each intermediate phase on the encoder of the one before (finetune/phase.py): a fresh
   head, batches and steps (loop/), the best weights on English dev; where it is asked for, what
   the phases before have lost by it (finetune/forgetting.py).
7. Write the encoder of the last phase.
8. Train each target from that encoder, in the same way.
9. Drop the checkpoints and say `done`.

Every part reads its start from disk and is written whole, so a run that was killed goes on from
the last complete part or checkpoint.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import torch

from xlt.core.artifacts.runs import CONTINUE, LOCK, Run
from xlt.core.errors import DataError, Mistakes, ModelError
from xlt.core.files import refuse_non_empty, write_error
from xlt.core.inference.device import choose_device
from xlt.core.show import terminal
from xlt.core.show.terminal import note
from xlt.train.finetune.forgetting import forgetting
from xlt.train.finetune.phase import count_steps, train_phase
from xlt.train.finetune.start import PRETRAINING, pretrain, write_start
from xlt.train.lineage import add_phase, has_phase, lineage_of
from xlt.train.loop.tracking import TensorBoard
from xlt.train.models import check_source, load_encoder, save_folder
from xlt.train.plan.check import check
from xlt.train.plan.config import TrainConfig
from xlt.train.plan.plan import Plan, format_overlap, make_plan
from xlt.train.plan.recipe import write_recipe
from xlt.train.pretrain.compact import Corpus, read_corpus
from xlt.train.workers import Follower, workers

__all__ = ["fit", "look_ahead"]


def fit(config: TrainConfig) -> Run:
    """Train everything the configuration asks for; returns the finished run.

    With `resume`, an unfinished run goes on where it stopped and ends with the same bits
    (same machine, versions and threads), and a finished one is returned as it is.

    Raises:
        UsageError: the configuration has mistakes, or the folder is taken.
        DataError: data are missing, wrong, changed, or occur in a test file.
        ModelError: the base model or the device is not there.
        CheckFailed: the loss is not finite.
        MissingExtra: TensorBoard's events are asked for and cannot be written.
    """
    check(config)
    if not workers().leads:
        return _follow(config)
    run, folder_was_there = _find(config), config.out.is_dir()  # 1
    if run is not None and run.status == "done":
        return run
    begun_here = False
    board = None
    try:
        device = prepare_torch(config.threads, config.device)  # 2
        plan = make_plan(config)  # 3
        show_plan(plan)
        if plan.tensorboard is not None:
            board = TensorBoard(plan.tensorboard, plan.out.resolve().name)
        corpus = None
        if plan.base.source is None:
            corpus = read_corpus(plan.root, parallel="tlm" in plan.pretraining.parts)
        if run is None:
            run = _begin(plan, corpus)  # 4
            begun_here = True
        run.observer = board.log if board else None
        _check_data(plan, corpus, run)
        write_recipe(plan.recorded, (*plan.counted, *plan.phases), run.path)
        if not (run.state / "base").is_dir() and not has_phase(run, PRETRAINING):
            write_start(plan, corpus, run.state / "base")
        workers().wait()
        _train(plan, corpus, run, device)
    except ModelError:
        if run is not None and begun_here and not run.log_size:
            _discard(run, keep_folder=folder_was_there)
        raise
    finally:
        if run is not None:
            run.close()
        if board is not None:
            board.close()
    return run


def _follow(config: TrainConfig) -> Run:
    """What `fit` does in a process that does not lead: the same steps, and nothing is written."""
    terminal.QUIET = True
    if config.resume and (config.out / "run.json").is_file():
        run = Run.open(config.out)
        if run.status == "done":
            return run
    device = prepare_torch(config.threads, config.device)
    plan = make_plan(config)
    corpus = None
    if plan.base.source is None:
        corpus = read_corpus(plan.root, parallel="tlm" in plan.pretraining.parts)
    workers().wait()  # the leader has begun the run, or read what there is of it
    follower = Follower(config.out, Run.open(config.out).record)
    _train(plan, corpus, follower, device)
    return follower


def look_ahead(config: TrainConfig) -> Plan:
    """The plan of a run whose device, data and base model are there; writes nothing.

    Raises:
        XltError: as `fit`, as far as can be seen without loading weights.
    """
    mistakes = Mistakes()
    with mistakes:
        prepare_torch(config.threads, config.device)
    with mistakes:
        plan = make_plan(config)
        if plan.base.source is not None:
            check_source(plan.base.source)
    mistakes.tell()
    return plan


def _train(plan: Plan, corpus: Corpus | None, run: Run, device: torch.device) -> None:
    """Do the parts that the record does not have yet."""
    folder = _start(plan, corpus, run, device)  # 5
    for phase in plan.intermediate:  # 6
        if not has_phase(run, phase.name):
            entry = train_phase(plan, phase, folder, run, device)
            entry |= forgetting(plan, phase, run, device)
            add_phase(run, {"name": phase.name, "tasks": list(phase.tasks), **entry})
        folder = run.path / phase.folder
    encoder = run.path / "encoder"
    if run.encoder is None:  # 7
        save_folder(load_encoder(folder), folder, encoder)
        run.save(encoder=encoder.name)
    longer = sum(count_steps(plan, phase, encoder) for phase in plan.counted)
    for phase in plan.targets:  # 8
        if phase.name not in run.record["targets"]:
            entry = train_phase(plan, phase, encoder, run, device, longer=longer)
            user = plan.root.user_tasks.get(phase.task.name)
            told = {"task_file": user.to_json()} if user else {}
            joint = {"tasks": list(phase.tasks)} if len(phase.tasks) > 1 else {}
            served = {"task": phase.task.to_json(), "serves": list(phase.serves)}
            entry = {**served, **told, **joint, **entry}
            run.save(targets={**run.record["targets"], phase.name: entry})
            if workers().leads:
                shutil.rmtree(run.state / phase.name, ignore_errors=True)
    workers().wait()
    run.finish()  # 9


def _find(config: TrainConfig) -> Run | None:
    """The run to continue or to return; None when one is to be begun.

    Raises:
        UsageError: the folder holds something and neither --resume nor --force is given, or a
            run of another configuration.
    """
    if config.resume and (config.out / "run.json").is_file():
        return Run.create(config.out, config.to_json(), force=False, resume=True)
    if not (config.force or config.resume):
        refuse_non_empty(config.out, force=False, other=CONTINUE)
    return None


def prepare_torch(threads: int | None, device_name: str) -> torch.device:
    """Set threads and determinism; resolve the device.

    Raises:
        ModelError: a device that is asked for is not there.
    """
    torch.set_num_threads(threads or len(os.sched_getaffinity(0)))
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if workers().count > 1 and found and device_name in {"auto", "cuda"}:
        device_name = f"cuda:{workers().local_rank}"
    device = torch.device(choose_device(device_name, cuda_devices=found, auto="cuda"))
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        # cuDNN's attention makes a plan for each new shape, and every batch has another length.
        torch.backends.cuda.enable_cudnn_sdp(False)
        torch.use_deterministic_algorithms(True, warn_only=True)
    return device


def show_plan(plan: Plan) -> None:
    """Show the plan and what is notable about its data."""
    note(str(plan))
    for phase in plan.phases:
        for remark in phase.notes():
            note(f"  {phase.name}: {remark}")
    for hit in plan.overlaps:
        note(f"  overlap: {format_overlap(hit)}")


def _begin(plan: Plan, corpus: Corpus | None) -> Run:
    """Make the run's folder; one that is replaced goes only when the base model has loaded."""
    if not (plan.force and plan.out.is_dir() and any(plan.out.iterdir())):
        return Run.create(plan.out, plan.recorded, force=plan.force, resume=plan.resume)
    out = plan.out.resolve()
    try:
        beside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))
    except OSError as error:
        raise write_error(plan.out, error) from error
    try:
        write_start(plan, corpus, beside / "base")
        run = Run.create(plan.out, plan.recorded, force=True, resume=False)
        run.state.mkdir()
        (beside / "base").replace(run.state / "base")
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return run


def _check_data(plan: Plan, corpus: Corpus | None, run: Run) -> None:
    """Record the lineage of a new run; hold an unfinished one against the data of its start.

    Raises:
        DataError: the data changed.
    """
    lineage = lineage_of(plan, corpus)
    before = run.record["lineage"]
    if not before:
        run.save(lineage=lineage)
    elif before["data"] != lineage["data"]:
        raise DataError(
            f"the data of {run.path} changed since it was started",
            "put the old files back, or start again with --force",
        )


def _start(plan: Plan, corpus: Corpus | None, run: Run, device: torch.device) -> Path:
    """The Hugging Face folder that the first phase starts from."""
    base = run.state / "base"
    pretrained = run.path / "phases" / PRETRAINING
    if has_phase(run, PRETRAINING):
        return pretrained
    if not base.is_dir():
        write_start(plan, corpus, base)
    if corpus is None or not plan.pretraining.parts:
        return base
    add_phase(run, pretrain(plan, corpus, base, run, device))
    return pretrained


def _discard(run: Run, *, keep_folder: bool) -> None:
    """Remove a run whose model does not load or does not fit, before anything was learnt.

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
