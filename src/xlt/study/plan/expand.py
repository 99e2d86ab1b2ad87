"""From a study to its cells and stages.

Everything that a checkpoint does not depend on is left out of its key, so that one intermediate
training serves all targets, and one pretrained encoder all arms: world, pretraining, phases one
by one, target, export, evaluation.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xlt.core.errors import DataError, UsageError
from xlt.core.kinds.table import kind_of
from xlt.core.tasks.table import TARGETS, TASKS
from xlt.study.file.flags import ONCE
from xlt.study.file.records import ENCODER, TRANSFER, Arm, Study
from xlt.study.plan.records import Cell, Plan
from xlt.study.plan.samedata import SameData
from xlt.study.plan.sources import Digests, Source, WorldSource
from xlt.study.plan.trainings import Trainings
from xlt.study.plan.words import spelled_out

__all__ = ["make_plan"]

NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9+.=%-]+")


def make_plan(study: Study, data: Path | None, store: Path | None, *, writes: bool = True) -> Plan:
    """Work out what a study has to do; nothing is run.

    Args:
        study: of `read_study`.
        data: the data root; not needed where the study builds its world.
        store: where digests of data files are remembered; may be absent.
        writes: whether new ones are written there.

    Raises:
        UsageError: no data root, or names that it does not have.
        DataError: the data root is not what it should be.
    """
    source: Source | WorldSource
    digests = Digests(store)
    if study.world is not None:
        source = WorldSource(study.world[0])
    elif data is None:
        raise UsageError(
            f"{study.name}: no data root given",
            "add --data ROOT (or set XLT_DATA), or --scale demo to build a world",
        )
    else:
        source = Source(data, digests, _task_files(study), study.heads)
    _check_languages(study, source)
    same = SameData(source, digests)
    planner = _Planner(study, same, Trainings(study, source, digests))
    cells = planner.cells()
    if lacking := planner.trainings.lacking:
        place = source.path or "the world"
        raise DataError(
            f"{place} has no {', no '.join(lacking)}, which {study.name} needs",
            "choose other targets or arms (`keep` in a scale), or, in the study file: evaluation: "
            "{split: {TASK: dev}}, train_split: {TASK: FILE}; `xlt data check` lists what is there",
        )
    if writes:
        digests.keep()
    return Plan(
        study=study.to_json(),
        estimand_hash=study.estimand.hash,
        data=None if source.path is None else str(source.path.resolve()),
        cells=tuple(cells),
        stages=planner.trainings.graph.stages,
        left_out=tuple(dict.fromkeys((*planner.left_out, *planner.trainings.left_out))),
    )


def _check_languages(study: Study, source: Source | WorldSource) -> None:
    """Whether the question is about a language that is scored: it cannot be changed later.

    Raises:
        UsageError: it is about none.
    """
    asked, scored = study.estimand, study.evaluation
    if asked.languages == TRANSFER:
        return
    for langs in dict.fromkeys((asked.languages, scored.langs)):
        if not any(source.selects(langs, t, scored.split_of(t)) for t in asked.tasks):
            raise UsageError(
                f"{study.name}: {langs!r} selects no language of {', '.join(asked.tasks)}",
                "correct the languages of estimand or evaluation; `xlt data check` lists what is "
                "there",
            )


def _task_files(study: Study) -> list[Path]:
    flags = [study.base, *(f for arm in study.arms for f in (arm.phase, arm.target))]
    names = [name for some in flags for name in str(some.get("task_file", "")).split(",") if name]
    return [Path(name) for name in dict.fromkeys(names)]


class _Planner:
    """Holds what all cells share."""

    def __init__(self, study: Study, same: SameData, trainings: Trainings) -> None:
        self.study, self.same, self.trainings = study, same, trainings
        self.left_out: list[str] = []

    def cells(self) -> list[Cell]:
        """Every cell, arm by arm."""
        names, values = list(self.study.axes), list(self.study.axes.values())
        points = [dict(zip(names, point, strict=True)) for point in itertools.product(*values)]
        return [
            cell
            for arm in self.study.arms
            for axes in points
            for target in self.study.targets
            if not arm.targets or target in arm.targets
            for cell in self._repeated(arm, axes, target)
        ]

    def _repeated(self, arm: Arm, axes: Mapping[str, Any], target: str) -> list[Cell]:
        """A cell for every pair of seeds."""
        seeds = self.study.seeds
        untuned = target == ENCODER
        if untuned and (why := self._no_encoder(arm, self.study.flags_at(axes))):
            self.left_out.append(f"{arm.name} x {target}: {why}")
            return []
        per = 1 if untuned else seeds.target
        units = min(seeds.intermediate, arm.seeds or seeds.intermediate) * per
        if target in seeds.single:
            units = 1
        if self.study.estimand.kind == "best_of" and arm.name == self.study.estimand.baseline:
            # the control chooses among as many seeds as there are arms to choose from
            units *= 1 if untuned else len(self.study.candidates)
        return [
            self._cell(arm, axes, target, unit, (unit - 1) // per + 1)
            for unit in range(1, units + 1)
        ]

    def _same_data(self, arm: Arm, tasks: tuple[str, ...]) -> tuple[str, ...]:
        """The scored tasks whose own training data the arm sees before the target, or beside it."""
        before = () if arm.control == "longer" else arm.tasks
        files = {**self.study.base, **arm.phase}.get("train_split", ())
        replaced = [entry.partition("=")[0] for entry in files]
        trained = [name for group in before for name in spelled_out(group)]
        return tuple(task for task in tasks if self.same.seen(trained, task, replaced))

    def _no_encoder(self, arm: Arm, flags: Mapping[str, Any]) -> str:
        """Why an arm under these flags has no encoder of its own; empty where it has."""
        differs = "differs in the target training alone"
        if arm.joint or arm.control == "longer" or (arm.target and not arm.phases):
            return f"the arm {differs}"
        if any(v is not None for n, v in flags.items() if n not in ONCE | {"precision"}):
            return f"a point of the axes {differs}"
        return "" if self._scored(ENCODER) else "evaluation: tasks names no retrieval task"

    def _cell(
        self, arm: Arm, axes: Mapping[str, Any], target: str, unit: int, intermediate_seed: int
    ) -> Cell:
        data_seed = (unit - 1) % self.study.seeds.data + 1
        untuned = target == ENCODER
        flags = self.study.flags_at(axes)
        start = self.trainings.intermediate(arm, flags, intermediate_seed, data_seed)
        if not untuned:
            start = self.trainings.target(arm, flags, target, start, unit, data_seed)
        tasks = self._scored(target)
        exported = self.trainings.export(start, target)
        scored = self.trainings.evaluation(exported, tasks)
        point = "-".join(f"{name}={value}" for name, value in axes.items() if value is not None)
        parts = [arm.name, point, target, f"u{unit}"]
        train = start.stage.id if start.stage is not None else ""
        return Cell(
            id=NOT_IN_A_NAME.sub("_", "-".join(part for part in parts if part)),
            arm=arm.name,
            axes=dict(axes),
            target=target,
            tasks=tasks,
            unit=unit,
            intermediate_seed=intermediate_seed if arm.phases else None,
            target_seed=None if untuned else unit,
            data_seed=data_seed,
            stages={"train": train, "export": exported.id, "eval": scored.id},
            picks=self.trainings.picks(start, target, tasks),
            same_data=self._same_data(arm, tasks),
            all_stages=self.trainings.graph.all_needs(scored),
        )

    def _scored(self, target: str) -> tuple[str, ...]:
        """What a target's bundle is scored on."""
        if target != ENCODER:
            return (target,)
        wanted = self.study.evaluation.tasks
        retrieval = [name for name in TARGETS if kind_of(TASKS[name]).vectors]
        return tuple(n for n in retrieval if wanted == "all" or n in wanted.split(","))
