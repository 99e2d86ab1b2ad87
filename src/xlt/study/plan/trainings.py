"""The stages of one cell: where a training begins, its phases, target, export and evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from xlt.core.errors import UsageError
from xlt.core.tasks.table import TARGETS, TASKS
from xlt.study.file.flags import ONCE
from xlt.study.file.records import COMPACT, ENCODER, Arm, Study
from xlt.study.plan.graph import Graph
from xlt.study.plan.records import Stage
from xlt.study.plan.sources import Digests, Source, WorldSource, model_identity
from xlt.study.plan.words import common, mixing, named_files, number, sizes, spelled_out, words_of

__all__ = ["Start", "Trainings"]

KEPT = "5"  # dev evaluations whose weights are kept where other rules choose among them
ORACLE = "target-dev oracle"
PICKS = {"last checkpoint": "last", ORACLE: ORACLE}
FORGETTING = "forgetting"  # of phases with a phase before them
PRETRAINING = ("pretrain", "pretrain_steps", "vocab_size")


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where a training begins: a stage, or a model (identity, what to type) from outside."""

    stage: Stage | None
    model: tuple[Any, str] | None
    label: str
    base: str
    seeds: str = ""


class Trainings:
    """Adds the stages of cells to a graph.

    Args:
        study: whose flags they have.
        source: the data.
        digests: of base models.
    """

    def __init__(self, study: Study, source: Source | WorldSource, digests: Digests) -> None:
        self.study, self.source, self.digests = study, source, digests
        self.graph = Graph()
        self.lacking: dict[str, None] = {}  # what is scored and is not in the data root
        self.left_out: dict[str, None] = {}  # what means nothing, with the reason
        self.world: tuple[Stage, ...] = ()
        if study.world is not None:
            size, seed = study.world
            words = ("--size", size, "--seed", str(seed))
            facts = {"size": size}
            self.world = (self.graph.add("world", size, words=words, facts=facts),)

    def _start(self, point: Mapping[str, Any]) -> Start:
        """What all trainings begin from: the base model, or a compact encoder made for them."""
        flags = {**self.study.base, **{n: v for n, v in point.items() if n in ONCE}}
        model = str(flags["model"])
        if model != COMPACT:
            identity = model_identity(model, self.digests)
            typed = str(Path(model).expanduser().resolve()) if Path(model).is_dir() else model
            return Start(stage=None, model=(identity, typed), label=Path(model).name, base=model)
        words = [
            *words_of({name: flags[name] for name in PRETRAINING if name in flags}),
            "--target", "none",
            *words_of(self._fitting(common(flags), ())),
            "--seed", str(flags.get("seed", "1")),
        ]  # fmt: skip
        stage = self.graph.add(
            "train",
            COMPACT,
            words=words,
            needs=self.world,
            data=self.source.texts(),
            model=({"hub": COMPACT}, COMPACT),
            facts={
                "model": COMPACT,
                "phase": "pretrain",
                "steps": number(flags, "pretrain_steps", "steps"),
            },
        )
        return Start(stage=stage, model=None, label=COMPACT, base=COMPACT)

    def intermediate(self, arm: Arm, point: Mapping[str, Any], seed: int, data_seed: int) -> Start:
        """The phases of an arm, one training after the other."""
        start = self._start(point)
        base = {**self.study.base, **{n: v for n, v in point.items() if n == "precision"}}
        for place, phase in enumerate(arm.phases):
            tasks = spelled_out(phase)
            flags = {**common(base), **mixing(base), **arm.phase}
            if not place:  # nothing to forget: one training with the arms that do not ask for it
                flags.pop(FORGETTING, None)
            words = [
                "--intermediate", phase,
                *(("--control", arm.control) if arm.control else ()),
                "--target", "none",
                *words_of(self._fitting(flags, tasks)),
                *self._seeds(seed, data_seed),
            ]  # fmt: skip
            control = f"-{arm.control}" if arm.control else ""
            named = replace(start, label=f"{start.label}-{phase}{control}", seeds=f"i{seed}")
            facts = {"phase": "intermediate", "tasks": tasks, **sizes(flags)}
            start = self._train(named, words, tasks, flags, facts)
        return start

    def target(
        self,
        arm: Arm,
        point: Mapping[str, Any],
        target: str,
        start: Start,
        seed: int,
        data_seed: int,
    ) -> Start:
        """The training of a target; targets with the same training data are one training."""
        head = self.study.heads.get(target)
        names = self._together(target) if head is None else (head,)
        flags = {
            **common(self.study.base),
            **self.study.tuned,
            **({**mixing(self.study.base), **arm.phase} if arm.joint else {}),
            **{name: value for name, value in point.items() if name not in ONCE},
            **arm.target,
        }
        tasks = [self.source.task(name).source or name for name in names]
        words = ["--target", ",".join(names)]
        if head is not None:
            words = ["--intermediate", head, "--target", "none"]
        if arm.joint:
            words += ["--joint", arm.joint]
            tasks += spelled_out(arm.joint)
        if arm.control == "longer":
            flags = {**mixing(self.study.base), **arm.phase, **flags}
            for phase in arm.intermediate:
                words += ["--intermediate", phase]
                tasks += spelled_out(phase)
            words += ["--control", arm.control]
        given = {n: v for n, v in flags.items() if v is not None and n != FORGETTING}
        if self.study.evaluation.picks and head is None:
            given.setdefault("keep", KEPT)
        words += [*words_of(self._fitting(given, [*tasks, *names])), *self._seeds(seed, data_seed)]
        facts = {"phase": "target", "tasks": [*dict.fromkeys(tasks)], **sizes(given)}
        joint = f"-with-{arm.joint}" if arm.joint else ""
        longer = f"-{arm.control}" if arm.control == "longer" else ""
        label = f"{start.label}-{names[0]}{joint}{longer}"
        named = replace(start, label=label, seeds=f"{start.seeds}t{seed}")
        return self._train(named, words, [*dict.fromkeys((*tasks, *names))], given, facts)

    def _train(
        self,
        start: Start,
        words: Sequence[str],
        tasks: Sequence[str],
        flags: Mapping[str, Any],
        facts: Mapping[str, Any],
    ) -> Start:
        """A training that begins at `start`, which has its name already; where the next begins."""
        translated = str(flags.get("translated", "")).split(",") if "translated" in flags else []
        trusted = self.study.base.get("trained_on")
        if start.stage is None and trusted:
            words = [*words, "--trained-on", str(trusted)]
        stage = self.graph.add(
            "train",
            f"{start.label}-{start.seeds}",
            words=words,
            needs=[*([start.stage] if start.stage else []), *self.world],
            data=[
                self.source.training(tasks, translated),
                self.source.files(named_files(flags, tasks)),
                self.source.texts() if "with_mlm" in flags or "mlm" in tasks else "",
            ],
            model=start.model,
            facts={
                "model": start.base,
                "examples": {n: self._count(n, flags) for n in facts["tasks"] if n != "mlm"},
                "kinds": {name: self.source.task(name).kind for name in facts["tasks"]},
                **facts,
            },
        )
        return replace(start, stage=stage, model=None)

    def picks(self, start: Start, target: str, tasks: Sequence[str]) -> dict[str, str]:
        """Other rules to choose a checkpoint by -> the stage that scores what they choose."""
        unkept = target == ENCODER or target in self.study.heads or start.stage is None
        if unkept or not self.study.evaluation.picks or start.stage is None:
            return {}
        name = self._together(target)[0]
        chosen = self.graph.add(
            "average",
            f"{start.label}-{start.seeds}",
            words=["--oracle"],
            needs=[start.stage, *self.world],
            facts={"model": start.base},
        )
        found = {}
        for rule, word in PICKS.items():
            if word == ORACLE and not self.source.dev_elsewhere(name):
                self.left_out[f"{ORACLE} x {target}: no dev set in another language"] = None
                continue
            beside = replace(start, stage=chosen, seeds=f"{start.seeds}-{word.split('-')[0]}")
            exported = self.export(beside, target, pick=f"{name}:{word}")
            found[rule] = self.evaluation(exported, tasks).id
        return found

    def export(self, start: Start, target: str, pick: str = "") -> Stage:
        """The bundle of a target, or of the encoder."""
        evaluation, head = self.study.evaluation, self.study.heads.get(target)
        words = ["--task", "tatoeba" if target == ENCODER else head or self._together(target)[0]]
        if target == ENCODER:
            words += ["--layer", evaluation.layer] if evaluation.layer else []
            words += ["--pooling", evaluation.pooling] if evaluation.pooling else []
        if evaluation.precision != "fp32":
            words += ["--precision", evaluation.precision]
        untuned = ENCODER if target == ENCODER else ""
        # of a run, its bundles go below by themselves
        under = head or pick.partition(":")[0] or ("" if start.stage else untuned)
        return self.graph.add(
            "export",
            "-".join(filter(None, (start.label, start.seeds, untuned))),
            words=words,
            needs=[start.stage] if start.stage else [],
            inside=f"/phases/1-{head}" if head else "",
            under=f"/{under}" if under else "",
            pick=pick,
            model=start.model,
            facts={"model": start.base, "target": target},
        )

    def evaluation(self, exported: Stage, tasks: Sequence[str]) -> Stage:
        """The scores of a bundle on some tasks."""
        evaluation = self.study.evaluation
        words = ["--tasks", ",".join(tasks), "--langs", evaluation.langs]
        for task in tasks:
            if task in self.study.heads:
                words += ["--use", f"{task}={self.study.heads[task]}", "--task-file", task]
        splits = dict.fromkeys(evaluation.split_of(task) for task in tasks)
        if len(splits) > 1:
            raise UsageError(
                f"evaluation: split: {', '.join(tasks)} are scored in one go, not on "
                f"{' and '.join(splits)}",
                "give them the same split, or leave one out with evaluation: {tasks: TASK}",
            )
        split = next(iter(splits))
        words += ["--split", split] if split != "test" else []
        words += ["--precision", evaluation.precision] if evaluation.precision != "fp32" else []
        return self.graph.add(
            "eval",
            f"{exported.label}-{'-'.join(tasks)}",
            words=words,
            needs=[exported, *self.world],
            data=self.source.tests(tasks, evaluation.langs, split),
            facts={
                "model": exported.facts["model"],
                "tasks": list(tasks),
                "bytes": {task: self._test_bytes(task, evaluation.langs, split) for task in tasks},
            },
        )

    def _test_bytes(self, task: str, langs: str, split: str) -> int | None:
        """Bytes that are scored; None before a world is built. What is not there is noted."""
        found = self.source.test_bytes(task, langs, split)
        if found == 0:
            self.lacking[f"{split} data of {task}"] = None
        return found

    def _together(self, target: str) -> tuple[str, ...]:
        """The official targets with the same training data: one training serves all of them."""
        source = self.source.task(target).source
        same = [name for name in TARGETS if TASKS[name].source == source and source]
        return tuple(same) if target in same else (target,)

    def _fitting(self, flags: Mapping[str, Any], tasks: Sequence[str]) -> dict[str, Any]:
        """The flags as this training takes them: only files of its own tasks, with their places."""
        found = dict(flags)
        if "train_split" in found:
            found["train_split"] = tuple(
                f"{task}={self.source.place(file)}"
                for task, _, file in (entry.partition("=") for entry in found["train_split"])
                if task in tasks
            )
        if "task_file" in found:
            names = str(found["task_file"]).split(",")
            found["task_file"] = tuple(self.source.place(name) for name in names)
        return found

    def _count(self, task: str, flags: Mapping[str, Any]) -> int:
        """Training examples of a task, of the file that stands in for its own where one does.

        What has none is noted.
        """
        same = {task, *self._together(task), *(n for n in TARGETS if TASKS[n].source == task)}
        files = [entry.partition("=")[::2] for entry in flags.get("train_split", ())]
        file = next((file for name, file in files if name in same), None)
        if file is None and not self.source.trains(task):
            self.lacking[f"English training data of {task}"] = None
            return 0
        there = self.source.count(task, file)
        asked = str(flags.get("train_examples") or "")
        if asked.isdecimal() and 0 < there < int(asked):  # 0: not known before a world is built
            self.lacking[f"{asked} English training examples of {task} (there are {there})"] = None
        return there

    def _seeds(self, seed: int, data_seed: int) -> list[str]:
        return ["--seed", str(seed), "--data-seed", str(data_seed)]
