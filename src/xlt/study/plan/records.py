"""Records of a plan: stages, cells, and the plan as plan.json holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from xlt.core.errors import DataError
from xlt.core.files import read_json, sha256_json, write_json

__all__ = ["DATA", "OUTPUT", "PLAN", "STORE", "Cell", "Plan", "Stage"]

SCHEMA = 1
PLAN = "plan.json"
FORGETTING = "--forgetting"
STORE, DATA = "{store}", "{data}"  # what stands for folders in a stage's command
# What a verb's output is called inside its stage's folder.
OUTPUT = {"world": "root", "train": "run", "average": "run", "export": "bundles", "eval": "results"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One command of `xlt` whose result is kept in the store.

    Attributes:
        id: its folder in the store: verb, label, first digits of the key.
        key: SHA-256 over everything that decides the result.
        verb: world, train, average, export or eval.
        label: for people.
        argv: words after `xlt`; `{store}` and `{data}` stand for folders.
        needs: ids of the stages whose results it reads.
        facts: what its cost is estimated from.
    """

    id: str
    key: str
    verb: str
    label: str
    argv: tuple[str, ...]
    needs: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def words(self, store: Path, data: Path | None) -> list[str]:
        """Its command with the folders filled in."""
        root = "" if data is None else str(data)
        return [word.replace(STORE, str(store)).replace(DATA, root) for word in self.argv]

    @property
    def output(self) -> str:
        """Where its result lies, relative to the store."""
        return f"{self.id}/{OUTPUT[self.verb]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One point of the study: an arm on a target with its seeds.

    Attributes:
        id: a readable name, the file name below `cells/`.
        arm: name of the arm.
        axes: value of every further axis; None where the flag is not given.
        target: a task, or `encoder`.
        tasks: what is scored.
        unit: 1-based number of the repetition; cells of two arms with one number are a pair.
        intermediate_seed: None where the arm has no intermediate phase.
        target_seed: None where nothing is tuned.
        data_seed: of held-out sets and subsets.
        stages: ids of train (the last training), export and eval.
        all_stages: ids of everything the cell needs, in order.
        same_data: tasks it is scored on whose own training data an earlier phase has seen.
        picks: another rule to choose a checkpoint by -> the stage that scores its choice; the cell
            is done without them.
    """

    id: str
    arm: str
    axes: Mapping[str, Any]
    target: str
    tasks: tuple[str, ...]
    unit: int
    intermediate_seed: int | None
    target_seed: int | None
    data_seed: int
    stages: Mapping[str, str]
    all_stages: tuple[str, ...]
    same_data: tuple[str, ...] = ()
    picks: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A plain dict; the axes stand beside the other fields as well."""
        value = asdict(self)
        value["same_data"] = bool(self.same_data)
        value["same_data_tasks"] = list(self.same_data)
        return {**self.axes, **value}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Cell:
        """Read what `to_json` wrote."""
        return cls(
            id=value["id"], arm=value["arm"], axes=value["axes"], target=value["target"],
            tasks=tuple(value["tasks"]), unit=value["unit"],
            intermediate_seed=value["intermediate_seed"], target_seed=value["target_seed"],
            data_seed=value["data_seed"], stages=value["stages"],
            all_stages=tuple(value["all_stages"]), same_data=tuple(value["same_data_tasks"]),
            picks=value.get("picks", {}),
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A study, worked out.

    Attributes:
        study: what the file says, at its scale, as JSON values.
        estimand_hash: of the primary estimand.
        data: path of the data root; None when the study builds its world.
        cells: in order.
        stages: id -> stage; what a stage needs stands before it.
        left_out: combinations that mean nothing, with the reason.
    """

    study: Mapping[str, Any]
    estimand_hash: str
    data: str | None
    cells: tuple[Cell, ...]
    stages: Mapping[str, Stage]
    left_out: tuple[str, ...] = ()

    def reads(self, stage: Stage) -> tuple[str, ...]:
        """Ids of everything whose files a stage's command reads: more than what it waits for."""
        # the checkpoint that an average names lies in the training that it read
        beyond = [self.stages[n].needs for n in stage.needs if self.stages[n].verb == "average"]
        if FORGETTING in stage.argv:  # the heads of all phases before
            beyond += [self._before(stage)]
        return tuple(dict.fromkeys((*stage.needs, *(name for some in beyond for name in some))))

    def readers(self) -> dict[str, tuple[str, ...]]:
        """Id of every stage -> ids of those whose commands read its files."""
        found: dict[str, list[str]] = {name: [] for name in self.stages}
        for stage in self.stages.values():
            for name in self.reads(stage):
                found[name].append(stage.id)
        return {name: tuple(ids) for name, ids in found.items()}

    def behind(self, stage: Stage) -> set[str]:
        """Ids of all stages that a stage has come from."""
        found, near = set[str](), [stage]
        while near:
            names = {name for one in near for name in self.reads(one)} - found
            found |= names
            near = [self.stages[name] for name in names]
        return found

    def _before(self, stage: Stage) -> tuple[str, ...]:
        """The trainings that a training goes back to."""
        own = [name for name in stage.needs if self.stages[name].verb == "train"]
        return tuple(name for near in own for name in (near, *self._before(self.stages[near])))

    @property
    def hash(self) -> str:
        """Of everything that decides the results: the study and the keys of its stages."""
        keys = sorted(stage.key for stage in self.stages.values())
        return sha256_json({"study": self.study, "stages": keys})

    def to_json(self) -> dict[str, Any]:
        """What plan.json holds."""
        return {
            "schema": SCHEMA,
            "name": self.study["name"],
            "scale": self.study["scale"],
            "question": self.study["question"],
            "estimand": self.study["estimand"],
            "estimand_hash": self.estimand_hash,
            "hash": self.hash,
            "data": self.data,
            "study": self.study,
            "cells": [cell.to_json() for cell in self.cells],
            "stages": [asdict(stage) for stage in self.stages.values()],
            "left_out": list(self.left_out),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], path: Path) -> Plan:
        """Read what `to_json` wrote.

        Raises:
            DataError: it is another version's, or not a plan.
        """
        if value.get("schema") != SCHEMA:
            raise DataError(f"{path}: not a plan of this version", "plan again into another --out")
        stages = (
            Stage(**{**one, "argv": tuple(one["argv"]), "needs": tuple(one["needs"])})
            for one in value["stages"]
        )
        return cls(
            study=value["study"],
            estimand_hash=value["estimand_hash"],
            data=value["data"],
            cells=tuple(map(Cell.from_json, value["cells"])),
            stages={stage.id: stage for stage in stages},
            left_out=tuple(value["left_out"]),
        )

    @classmethod
    def open(cls, out: Path) -> Plan:
        """The plan of a study's folder.

        Raises:
            DataError: there is none, or it is damaged.
        """
        path = out / PLAN
        return cls.read(read_json(path, DataError), path)

    @classmethod
    def read(cls, value: Any, path: Path) -> Plan:
        """As `open`, of what a file was found to hold."""
        try:
            return cls.from_json(value, path)
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path}: not a plan", "plan again into another --out") from error

    @staticmethod
    def store_of(out: Path) -> Path:
        """Where the stages of a study's folder lie: what its plan names, else below it.

        A folder that was moved together with its store has it below, and nothing where it was.
        """
        named = read_json(out / PLAN).get("store") if (out / PLAN).is_file() else None
        return Path(named) if named and Path(named).is_dir() else out / "store"

    def write(self, out: Path, **more: Any) -> None:
        """Write plan.json, whole."""
        write_json(out / PLAN, {**self.to_json(), **more})
