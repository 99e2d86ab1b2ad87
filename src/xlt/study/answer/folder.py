"""A study's folder as it is read: the plan, and what each finished cell left.

Nothing is computed here. A cell that is planned and not finished stays in the list, so that it can
be named as missing and does not shift the pairing of the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xlt.core.errors import DataError
from xlt.core.files import read_json

__all__ = ["ENCODER", "PICK", "Axes", "Cell", "Folder", "open_folder"]

PICK = "English-dev pick"  # the checkpoint that `xlt train` leaves: the best on English dev
ENCODER = "encoder"  # the target without tuning
PLAN, CELLS = "plan.json", "cells"
SCORING = frozenset({"world", "export", "eval"})  # verbs that are not training
Axes = tuple[tuple[str, str], ...]  # (axis, value as text), in the plan's order
KNOWN = frozenset(
    {"id", "arm", "target", "intermediate_seed", "target_seed", "data_seed", "stages", "same_data",
     "unit", "axes",
     "tasks", "all_stages", "same_data_tasks"}
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One trained and scored combination.

    Attributes:
        id: as in plan.json.
        arm: its name.
        target: a task, or `encoder` for retrieval without tuning.
        axes: the further axes of the study, in their order.
        intermediate_seed: None where the arm has no training before the target.
        target_seed: of the target training; None for `encoder`.
        data_seed: of samples of the training data.
        unit: number within (arm, axes, target, data seed); equal numbers of two arms are a pair.
        same_data: the tasks it is scored on whose own training data an earlier phase has seen.
        results: name of a checkpoint's choice -> results folder; empty until the cell is done.
        runs: training runs behind it, the target's last.
        seconds: stage -> seconds.
    """

    id: str
    arm: str
    target: str
    axes: Axes
    intermediate_seed: int | None
    target_seed: int | None
    data_seed: int | None
    unit: int
    same_data: tuple[str, ...]
    results: Mapping[str, Path]
    runs: tuple[Path, ...]
    seconds: Mapping[str, float]

    @property
    def done(self) -> bool:
        """Whether there is anything to read."""
        return bool(self.results)

    @property
    def training(self) -> Mapping[str, float]:
        """Seconds of every training behind the cell, those that it shares included."""
        return {n: s for n, s in self.seconds.items() if n.split("-")[0] not in SCORING}

    @property
    def train_seconds(self) -> float | None:
        """Seconds of all of them."""
        return sum(self.training.values()) if self.training else None


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A study as it stands.

    Attributes:
        path: the folder.
        plan: plan.json.
        cells: all that are planned.
    """

    path: Path
    plan: Mapping[str, Any]
    cells: tuple[Cell, ...]

    @property
    def name(self) -> str:
        """The study's name."""
        return str(self.plan.get("name") or _study(self.plan).get("name") or self.path.name)

    @property
    def question(self) -> str:
        """What it asks, in words."""
        return str(self.plan.get("question", ""))

    @property
    def estimand(self) -> Mapping[str, Any]:
        """The primary estimand, as it was hashed before anything ran."""
        value: Mapping[str, Any] = self.plan["estimand"]
        return value

    @property
    def arms(self) -> list[str]:
        """Names of the arms, in the order of the plan."""
        return list(dict.fromkeys(cell.arm for cell in self.cells))

    @property
    def missing(self) -> list[str]:
        """Ids of the cells that are not done."""
        return [cell.id for cell in self.cells if not cell.done]

    def arm(self, name: str) -> Mapping[str, Any]:
        """What the study file says of an arm; empty where the plan does not tell."""
        arms = self.plan.get("arms") or _study(self.plan).get("arms") or {}
        if isinstance(arms, list):
            arms = {one["name"]: one for one in arms}
        return arms.get(name) or {}


def open_folder(path: Path, store: Path | None = None) -> Folder:
    """Read plan.json and the finished cells.

    Args:
        path: the study's folder.
        store: where its stages are kept; None: where its plan says, else its `store`.

    Raises:
        DataError: there is no plan, or one of another version.
    """
    if not (path / PLAN).is_file():
        raise DataError(f"{path}: no {PLAN} there", "give a folder that `xlt study run` wrote")
    plan = read_json(path / PLAN)
    if not isinstance(plan, dict) or not isinstance(plan.get("cells"), list):
        raise DataError(f"{path / PLAN}: not the plan of a study", "run `xlt study plan` again")
    if not isinstance(plan.get("estimand"), dict):
        raise DataError(f"{path / PLAN}: it names no estimand", "run `xlt study plan` again")
    units = _units(plan["cells"])
    named = plan.get("store")
    kept = store or (Path(named) if named and Path(named).is_dir() else path / "store")
    cells = tuple(
        _cell(path, kept, entry, unit) for entry, unit in zip(plan["cells"], units, strict=True)
    )
    return Folder(path=path, plan=plan, cells=cells)


def _study(plan: Mapping[str, Any]) -> Mapping[str, Any]:
    value = plan.get("study")
    return value if isinstance(value, dict) else {}


def _cell(out: Path, store: Path, entry: Mapping[str, Any], unit: int) -> Cell:
    file = out / CELLS / f"{entry['id']}.json"
    record = read_json(file) if file.is_file() else {}
    found = record.get("results") or {}
    if isinstance(found, str):
        found = {PICK: found}
    return Cell(
        id=str(entry["id"]),
        arm=str(entry["arm"]),
        target=str(entry["target"]),
        axes=_axes(entry),
        intermediate_seed=entry.get("intermediate_seed"),
        target_seed=entry.get("target_seed"),
        data_seed=entry.get("data_seed"),
        unit=unit,
        same_data=tuple(entry.get("same_data_tasks", ())),
        results={name: store / place for name, place in found.items()},
        runs=tuple(store / place for place in record.get("runs", ())),
        seconds={name: float(s) for name, s in record.get("seconds", {}).items()},
    )


def _axes(entry: Mapping[str, Any]) -> Axes:
    axes = entry.get("axes")
    if not isinstance(axes, dict):
        axes = {name: value for name, value in entry.items() if name not in KNOWN}
    return tuple((name, "all" if value is None else str(value)) for name, value in axes.items())


def _units(entries: Iterable[Mapping[str, Any]]) -> list[int]:
    """The plan's own numbers, else places in the order of the seeds."""
    entries = list(entries)
    groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for place, entry in enumerate(entries):
        groups[entry["arm"], entry["target"], _axes(entry), entry.get("data_seed")].append(place)
    found = [0] * len(entries)
    for places in groups.values():
        places.sort(key=lambda at: _seeds(entries[at]))
        for number, place in enumerate(places, start=1):
            found[place] = int(entries[place].get("unit") or number)
    return found


def _seeds(entry: Mapping[str, Any]) -> tuple[int, int]:
    return entry.get("intermediate_seed") or 0, entry.get("target_seed") or 0
