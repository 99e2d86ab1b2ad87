"""What one `xlt export` writes: one job a bundle, complete before any weight is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xlt.core.artifacts.bundle import DEFAULT_RUN
from xlt.core.artifacts.runs import Run
from xlt.core.errors import ModelError, UsageError, did_you_mean
from xlt.core.kinds.table import kind_of
from xlt.core.tasks.table import Task, get_task
from xlt.export.checkpoint.fetching import PREFIX, fetch
from xlt.export.checkpoint.flags import block_of, prompts_of, widths_of
from xlt.export.checkpoint.labels import answers_of, resolve_task
from xlt.export.checkpoint.origin import card_facts, declared_training, lineage_of, run_training
from xlt.export.checkpoint.reading import Checkpoint, read_checkpoint
from xlt.export.checkpoint.sentence import DenseSettings
from xlt.export.config import ExportConfig

__all__ = ["Job", "find_model", "plan"]

# Fields of a run's target that the bundle names elsewhere; the rest is how it was trained.
NAMED_ELSEWHERE = {"path", "task", "task_file", "serves", "dev", "baseline", "folders"}
KEPT = "checkpoints"  # weights that `xlt train --keep` left: checkpoints/<training>/step-<n>


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One bundle to write.

    Attributes:
        name: of the bundle; its folder's name.
        task: the resolved record, labels in the order of the logits.
        layer: number of the last block kept (embed), None otherwise.
        pooling: mean, cls, last or weightedmean (embed), None otherwise.
        sweep: whether the block is still to be chosen on the data root.
        post: `center` to take a fitted mean away, or None.
        fit_key: hash over the text that the block is chosen or the mean fitted on.
        steps: what follows the pooling (embed); None stands for scaling to length 1.
        dimensions: widths below the model's that vectors may be cut to (embed), or none.
        prompts: name -> what a sentence model wants before a text, or none.
        default_prompt: name of the one that eval and serve use; None for none.
        max_length: the most tokens that a sentence model was made for; None: the task's.
        dev: scores on English dev, from the run.
        baseline: facts of the training data, such as the most frequent tag of each word.
        lineage: base model, phases, seed ... from the run.
        card: what the model's own card says: licence, languages.
        base: what the run started from, as its configuration resolved it.
        examples: dev items for the playground (`xlt.export.files.examples`).
        task_file: of a task from a task file, what that file says (`UserTask.to_json`).
    """

    name: str
    target: Path
    checkpoint: Checkpoint
    task: Task
    answers: tuple[str, ...]
    layer: int | None = None
    pooling: str | None = None
    sweep: bool = False
    post: str | None = None
    fit_key: str | None = None
    steps: tuple[DenseSettings | None, ...] = ()
    dimensions: tuple[int, ...] = ()
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str | None = None
    max_length: int | None = None
    trained_on: Mapping[str, Any] = field(default_factory=dict)
    lineage: Mapping[str, Any] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)
    base: str = ""
    task_file: Mapping[str, Any] | None = None
    examples: Mapping[str, Any] | None = None
    dev: Mapping[str, Any] = field(default_factory=dict)
    baseline: Mapping[str, Any] = field(default_factory=dict)


def find_model(model: str | Path | None, *, pickles: bool = False) -> Run | Checkpoint:
    """A run, a checkpoint folder, or a hub id (`hf:` may stand before it); None is `./xlt-run`.

    What exists as a path is that path.

    Args:
        model: what the user named.
        pickles: whether weights in pickles may be loaded.

    Raises:
        ModelError: it is none of them.
    """
    folder = DEFAULT_RUN if model is None else Path(model)
    if (folder / "run.json").is_file():
        return Run.open(folder)
    if model is None:
        raise ModelError(
            f"no model named, and ./{DEFAULT_RUN} is not a run",
            "name a run, a checkpoint folder or a hub id: `xlt export MODEL --out DIR`",
        )
    if folder.exists() or isinstance(model, Path):
        return read_checkpoint(folder, pickles=pickles)
    name = model.removeprefix(PREFIX)
    return read_checkpoint(fetch(name, pickles=pickles), source=name, pickles=pickles)


def plan(found: Run | Checkpoint, config: ExportConfig) -> list[Job]:
    """The bundles to write.

    Args:
        found: from `find_model`.
        config: checked.

    Raises:
        UsageError: flags that do not fit what is exported.
        ModelError: a checkpoint of the wrong kind.
    """
    out = config.out
    if isinstance(found, Run) and config.trained_on is not None:
        raise UsageError(
            f"--trained-on: {found.path} records what its models were trained on",
            "leave the flag out",
        )
    if isinstance(found, Run):
        jobs = _run_jobs(found, out or found.path / "bundles", config)
    elif out is None:
        raise UsageError("exporting a checkpoint needs --out", "add --out DIR")
    else:
        jobs = [_checkpoint_job(found, out, config)]
    if config.encoder_only and not any(kind_of(job.task).vectors for job in jobs):
        raise UsageError(
            f"{', '.join(config.encoder_only)}: for encoders alone, and none is exported",
            "leave the flag out, or export an encoder",
        )
    return jobs


def _run_jobs(run: Run, out: Path, config: ExportConfig) -> list[Job]:
    jobs = [_target_job(run, name, out / name, config) for name in run.targets]
    if run.encoder is not None:
        jobs.append(_encoder_job(run, out / "encoder", config))
    if not jobs:
        raise ModelError(
            f"{run.path} holds no trained model yet",
            f"finish it with `xlt train --resume --out {run.path} ...`",
        )
    task = config.task
    if task is None:
        return jobs
    wanted = [job for job in jobs if task in job.answers]
    if not wanted:
        known = sorted({name for job in jobs for name in job.answers})
        raise UsageError(
            f"--task {task}: {run.path} has no model for it{did_you_mean(task, known)}",
            f"it answers: {' '.join(known)}",
        )
    return wanted


def _target_job(
    run: Run,
    name: str,
    target: Path,
    config: ExportConfig,
    given: Task | None = None,
    kept: Checkpoint | None = None,
) -> Job:
    """A target of a run; `kept` are weights of one of its dev evaluations in place of the pick."""
    entry = run.record["targets"][name]
    task = Task.from_json(entry["task"])
    training = {k: v for k, v in entry.items() if k not in NAMED_ELSEWHERE}
    if kept is not None:
        training["checkpoint"] = kept.path.name
    return _job(
        kept or read_checkpoint(run.targets[name]),
        target,
        given or task,
        config,
        answers=tuple(entry["serves"]) if given is None or given.name in entry["serves"] else None,
        trained_on=run_training(run, task.source or name, joint=entry.get("tasks", [])),
        lineage={**lineage_of(run), "training": training},
        base=_base(run),
        task_file=entry.get("task_file"),
        dev={} if kept else entry.get("dev") or {},
        baseline=entry.get("baseline") or {},
    )


def _encoder_job(run: Run, target: Path, config: ExportConfig, given: Task | None = None) -> Job:
    assert run.encoder is not None
    return _job(
        read_checkpoint(run.encoder),
        target,
        given,
        config,
        trained_on=run_training(run, None),
        lineage=lineage_of(run),
        base=_base(run),
    )


def _checkpoint_job(checkpoint: Checkpoint, target: Path, config: ExportConfig) -> Job:
    """A checkpoint on its own; one that lies in a run keeps what the run knows about it."""
    given = None if config.task is None else get_task(config.task)
    for folder in list(checkpoint.path.resolve().parents)[:3]:
        if (folder / "run.json").is_file():
            job = _part_job(Run.open(folder), checkpoint, target, given, config)
            if job is not None:
                return job
    lineage: dict[str, Any] = {"base_model": checkpoint.public_name, "phases": []}
    if not checkpoint.is_local:  # the hub's cache names its folders after the commit
        lineage["revision"] = checkpoint.path.name
    return _job(
        checkpoint,
        target,
        given,
        config,
        trained_on=declared_training(checkpoint.path, config.trained_on),
        lineage=lineage,
        card=card_facts(checkpoint.path),
    )


def _part_job(
    run: Run, checkpoint: Checkpoint, target: Path, given: Task | None, config: ExportConfig
) -> Job | None:
    """A target, the encoder or a phase of a run, by its folder; None when it is none of these.

    Weights that a target or a phase kept of its dev evaluations count as the target or phase.

    A task that the user names decides what is asked of the model; its lineage stays the run's.
    """
    here = checkpoint.path.resolve()
    for name, path in run.targets.items():
        if path.resolve() == here:
            return _target_job(run, name, target, config, given)
    kept = here.parent.name if here.parent.parent == (run.path / KEPT).resolve() else None
    if kept in run.targets:
        return _target_job(run, kept, target, config, given, checkpoint)
    if run.encoder and run.encoder.resolve() == here:
        return _encoder_job(run, target, config, given)
    every = run.record["lineage"].get("phases", [])
    for place, entry in enumerate(every):
        is_folder = (run.path / entry.get("path", "")).resolve() == here
        if entry.get("inherited") or not (is_folder or entry.get("name") == kept):
            continue
        phases = every[: place + 1]
        return _job(
            checkpoint,
            target,
            given,
            config,
            trained_on=run_training(run, None, phases),
            lineage={**lineage_of(run), "phases": phases},
            base=_base(run),
            dev=entry.get("dev") or {} if is_folder else {},
            baseline=entry.get("baseline") or {},
        )
    return None


def _job(
    checkpoint: Checkpoint,
    target: Path,
    task: Task | None,
    config: ExportConfig,
    *,
    answers: tuple[str, ...] | None = None,
    **facts: Any,
) -> Job:
    resolved = resolve_task(checkpoint, task, name=target.name)
    if kind_of(resolved).vectors:
        facts["layer"] = block_of(config.layer, checkpoint)
        facts["sweep"], facts["post"] = config.sweep_layers, config.post
        facts["dimensions"] = widths_of(config.widths, checkpoint)
        sentence = checkpoint.sentence
        facts["pooling"] = config.pooling or (sentence.pooling if sentence else "mean")
        facts["steps"] = sentence.steps if sentence else ()
        facts["max_length"] = sentence.max_length if sentence else None
        facts["prompts"], facts["default_prompt"] = prompts_of(config.prompt, sentence)
    return Job(
        name=target.resolve().name,
        target=target,
        checkpoint=checkpoint,
        task=resolved,
        answers=answers_of(resolved) if answers is None else answers,
        **facts,
    )


def _base(run: Run) -> str:
    return str(run.record["config"].get("model", ""))
