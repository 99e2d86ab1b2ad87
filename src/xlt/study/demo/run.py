"""The demo's study, run; and what its page needs, read back from the finished cells."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from xlt.core.errors import DataError, UsageError, did_you_mean
from xlt.core.files import read_json, read_text
from xlt.core.tasks.table import INTERMEDIATE
from xlt.study.answer.answer import Answer, answer
from xlt.study.answer.folder import Cell, open_folder
from xlt.study.engine.local import Slots, run_local
from xlt.study.engine.progress import Progress
from xlt.study.engine.run import run_study
from xlt.study.engine.store import Store
from xlt.study.file.read import find_file, read_study
from xlt.study.file.records import ENCODER, Study
from xlt.study.plan.expand import make_plan
from xlt.study.plan.sources import WorldSource
from xlt.study.plan.words import spelled_out
from xlt.study.steps import Step, run_lanes

__all__ = ["DIRECT", "Demo", "Finished", "bundles_of", "results_of", "run_demo", "study_of"]

DIRECT = "none"  # the arm that trains every target directly
SHIPPED_TASK = "mnli"  # the intermediate task of the other one, as the file has it
FEW_OF = "mnli"  # whose training data the arms with few examples take
MODELS = "models"
SKILL = "planted-nli-skill"
LEARNT = 100 / 3 + 20  # English dev accuracy; of three labels a guess has a third


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """What to run.

    Attributes:
        out: folder of the demo; everything it makes lies below.
        size: of the world.
        seed: of the world and the encoder's pretraining.
        pretrain: parts of the compact encoder's pretraining, e.g. "svd,mlm,tlm".
        pretrain_steps: masked-LM updates; None for the trainer's default.
        intermediate: the intermediate task that goes through all nine tasks beside none.
        jobs: stages side by side; None: one a core.
        threads: CPU threads of each. The models are so small that two stages with a thread each
            are faster than one after the other with two.
    """

    out: Path
    size: str = "small"
    seed: int = 1
    pretrain: str = "svd,mlm,tlm"
    pretrain_steps: int | None = None
    intermediate: str = SHIPPED_TASK
    jobs: int | None = None
    threads: int = 1


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A demo that ran.

    Attributes:
        answer: of its study.
        results: "direct", "intermediate" and "static" (retrieval without a network) -> results.
        references: the world's: exact match of a uniform pick, by task and language.
        world: the data root.
        models: a folder of links to the bundles of the arm with the intermediate task.
        seconds: kind of stage -> seconds, all of them together.
        unlearnt: a line for every planted skill that a seed did not learn.
        pairs: English pairs of each planted set.
    """

    answer: Answer
    results: Mapping[str, Mapping[str, Any]]
    references: Mapping[str, Mapping[str, float]]
    world: Path
    models: Path
    seconds: Mapping[str, float]
    unlearnt: tuple[str, ...]
    pairs: int


def study_of(demo: Demo) -> Study:
    """`demo.yaml` with the settings of one demo in it.

    Raises:
        UsageError: the intermediate task is not known.
    """
    for name in spelled_out(demo.intermediate):
        if name not in INTERMEDIATE:
            near = did_you_mean(name, INTERMEDIATE)
            raise UsageError(
                f"--intermediate {demo.intermediate}: {name!r} is no intermediate task{near}",
                "they are: " + " ".join([*INTERMEDIATE, "all"]),
            )
    study = read_study(find_file("demo"))
    base = {**study.base, "pretrain": demo.pretrain}
    if demo.pretrain_steps is not None:
        base["pretrain_steps"] = str(demo.pretrain_steps)
    if demo.seed != 1:
        base["seed"] = str(demo.seed)
    there = WorldSource(demo.size).count(FEW_OF)
    arms = tuple(
        replace(arm, name=demo.intermediate, intermediate=(demo.intermediate,))
        if arm.name == SHIPPED_TASK
        else replace(arm, target=_within(arm.target, there))
        for arm in study.arms
    )
    return replace(study, base=base, arms=arms, world=(demo.size, demo.seed))


def _within(target: Mapping[str, Any], there: int) -> dict[str, Any]:
    """The flags of a target with no more training examples than a small world has."""
    asked = target.get("train_examples")
    return {**target, "train_examples": str(min(int(asked), there))} if asked else {**target}


def run_demo(demo: Demo) -> Finished:
    """Run what is missing of a demo.

    Raises:
        UsageError: the folder holds a demo with other settings, or something else.
        PartlyDone: a stage failed; all others are finished.
        Interrupted: Ctrl-C.
    """
    store = Store(demo.out / "store")
    plan = make_plan(study_of(demo), None, store.path if store.path.is_dir() else None)
    slots = Slots.of(demo.jobs, demo.threads, (), small=True)
    progress = run_study(plan, demo.out, store, lambda some: run_local(some, slots))
    world, static = _static(demo, progress)
    found = answer(open_folder(demo.out))
    cells = found.folder.cells
    return Finished(
        answer=found,
        results={
            "direct": results_of(cells, DIRECT),
            "intermediate": results_of(cells, demo.intermediate),
            "static": read_json(static / "results.json"),
        },
        references=read_json(world / "references.json")["uniform_pick"],
        world=world,
        models=bundles_of(demo.out, demo.intermediate),
        seconds=_seconds(progress),
        unlearnt=_unlearnt(progress),
        pairs=WorldSource(demo.size).count(SKILL),
    )


def results_of(cells: tuple[Cell, ...], arm: str) -> dict[str, Any]:
    """The results of an arm's cells as those of one evaluation: `tasks` and `cells`."""
    tasks: dict[str, Any] = {}
    scored: list[Any] = []
    for cell in cells:
        if cell.arm != arm or cell.unit != 1:
            continue
        for folder in cell.results.values():
            found = read_json(folder / "results.json")
            tasks |= found["tasks"]
            scored += found["cells"]
    return {"tasks": tasks, "cells": scored}


def bundles_of(out: Path, arm: str) -> Path:
    """A folder of links to an arm's bundles, one a task; `xlt serve` takes it as it is."""
    models = out / MODELS
    models.mkdir(exist_ok=True)
    for file in sorted((out / "cells").glob("*.json")):
        record = read_json(file)
        cell = record["cell"]
        if cell["arm"] != arm or cell["unit"] != 1:
            continue
        for bundle in sorted((out / "store" / record["bundles"]).glob("*/xlt.json")):
            link = models / (ENCODER if cell["target"] == ENCODER else bundle.parent.name)
            link.unlink(missing_ok=True)
            link.symlink_to(os.path.relpath(bundle.parent, models))
    return models


def _static(demo: Demo, progress: Progress) -> tuple[Path, Path]:
    """Retrieval with the mean of the token embeddings: the encoder cut before its first block."""
    stages = list(progress.plan.stages.values())
    world = progress.store.path / next(s.output for s in stages if s.verb == "world")
    base = progress.store.path / next(s.output for s in stages if s.verb == "train")
    bundle, results = demo.out / "static", demo.out / "static-results"
    threads = ("--threads", str(demo.threads))
    export = ("export", str(base / "encoder"), "--task", "tatoeba", "--layer", "0",
              "--out", str(bundle), "--force", *threads)  # fmt: skip
    score = ("eval", str(bundle), "--tasks", "tatoeba,bucc2018", "--langs", "all",
             "--data", str(world), "--out", str(results), *threads)  # fmt: skip
    steps = [
        Step(name="static: export", lane="static", arguments=export, done=bundle / "xlt.json"),
        Step(name="static: eval", lane="static", arguments=score, done=results / "results.json"),
    ]
    if not all(step.done is not None and step.done.exists() for step in steps):
        run_lanes(steps, lambda step, seconds: None)
    return world, results


def _seconds(progress: Progress) -> dict[str, float]:
    """Seconds by kind of stage."""
    found: dict[str, float] = {}
    for stage in progress.plan.stages.values():
        phase = stage.facts.get("phase")
        name = {"pretrain": "pretraining", "intermediate": "intermediate tasks",
                "target": "targets"}.get(str(phase), stage.verb)  # fmt: skip
        found[name] = found.get(name, 0.0) + progress.records[stage.id]["seconds"]
    return found


def _unlearnt(progress: Progress) -> tuple[str, ...]:
    """Seeds in which the planted skill itself was not learnt, by its own English dev score."""
    told = []
    for stage in progress.plan.stages.values():
        if list(stage.facts.get("tasks", ())) != [SKILL] or stage.verb != "train":
            continue
        log = read_text(progress.store.path / stage.output / "log.jsonl", DataError)
        dev = [
            entry["dev"]["accuracy"]
            for line in log.splitlines()
            if "dev" in (entry := json.loads(line))
        ]
        if not dev or max(dev) < LEARNT:
            seed = stage.argv[stage.argv.index("--seed") + 1]
            best = max(dev, default=0.0)
            told.append(
                f"seed {seed} did not learn the planted skill itself ({best:.1f} on its English "
                "dev set)"
            )
    return tuple(told)
