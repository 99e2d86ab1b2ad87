"""Where a study stands: the state of every stage and cell, and the files that say it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xlt.core.errors import XltError
from xlt.core.files import write_json
from xlt.core.show import terminal
from xlt.study.engine.store import Store
from xlt.study.engine.weights import finished, record_of, removable, remove_weights
from xlt.study.plan.records import Cell, Plan, Stage

__all__ = ["CELLS", "Progress"]

CELLS = "cells"
PICK = "English-dev pick"  # the checkpoint that `xlt train` leaves
SCHEMA = 1
STATES = ("done", "running", "failed", "blocked", "waiting")


@dataclass(kw_only=True)
class Progress:
    """The stages of a plan by state; states are read from the store, never assumed.

    Attributes:
        plan: of the study.
        store: where its stages lie.
        out: the study's folder; None: no cell files are written.
        records: id -> record of every finished stage.
        failures: id -> how it ended.
        expected: id -> seconds that it is expected to take.
        drop_weights: remove weights as soon as no study of the store needs them.
        freed: bytes that were removed so.
    """

    plan: Plan
    store: Store
    out: Path | None = None
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    failures: dict[str, dict[str, Any]] = field(default_factory=dict)
    expected: Mapping[str, float] = field(default_factory=dict)
    drop_weights: bool = False
    freed: int = 0
    _reads: dict[str, tuple[str, ...]] = field(init=False)

    def __post_init__(self) -> None:
        stages = self.plan.stages.values()  # asked for at every turn of an engine
        self._reads = {stage.id: self.plan.reads(stage) for stage in stages}

    def look(self, stages: Iterable[Stage] | None = None) -> None:
        """Read from the store what is finished, and write the cells that are."""
        if stages is None:
            for name, found in finished(self.plan, self.store).items():
                if name not in self.records:
                    self._note(self.plan.stages[name], found)
            self._drop(self.plan.stages)
            return
        for stage in stages:
            if stage.id not in self.records:
                record = record_of(self.plan, self.store, stage)
                if record is not None:
                    self.finished(stage, record)

    def again(self) -> int:
        """How many stages have to be done again, for weights that were removed."""
        return sum(n not in self.records and self.store.is_dropped(n) for n in self.plan.stages)

    def finished(self, stage: Stage, record: dict[str, Any]) -> None:
        """Note a finished stage; cells that need nothing more are written."""
        self._note(stage, record)
        if stage.verb == "eval":
            self._drop(self.plan.behind(stage))

    def _note(self, stage: Stage, record: dict[str, Any]) -> None:
        self.records[stage.id] = record
        self.failures.pop(stage.id, None)
        if self.out is not None:
            for cell in self.plan.cells:
                concerned = stage.id in cell.all_stages or stage.id in cell.picks.values()
                if concerned and self.cell_state(cell) == "done":
                    self._write(cell)

    def _drop(self, among: Collection[str]) -> None:
        """Remove weights that nothing needs any more; where that fails they stay."""
        if not self.drop_weights:
            return
        try:
            over = removable(self.store, self.plan, self.records.__contains__, among)
            if over:
                self.freed += sum(remove_weights(self.store, over).values())
        except (XltError, OSError) as error:
            self.drop_weights = False
            terminal.note(f"no more weights are removed: {error}")

    def drop_stale(self) -> None:
        """Remove files of cells that are not in the plan, or not finished any more."""
        if self.out is None or not (self.out / CELLS).is_dir():
            return
        done = {f"{cell.id}.json" for cell in self.plan.cells if self.cell_state(cell) == "done"}
        for path in (self.out / CELLS).glob("*.json"):
            if path.name not in done:
                path.unlink()

    def ready(self) -> list[Stage]:
        """Stages that are neither done nor failed and whose needs are done."""
        return [
            stage
            for stage in self.plan.stages.values()
            if stage.id not in self.records
            and stage.id not in self.failures
            and all(name in self.records for name in self._reads[stage.id])
        ]

    def blocked(self) -> list[str]:
        """Ids of stages that wait for a failed one."""
        found: list[str] = []
        for stage in self.plan.stages.values():  # needs stand before
            if any(need in self.failures or need in found for need in self._reads[stage.id]):
                found.append(stage.id)
        return found

    def cell_state(self, cell: Cell) -> str:
        """done, failed (a stage of it is), or waiting."""
        if all(stage in self.records for stage in cell.all_stages):
            return "done"
        return "failed" if any(stage in self.failures for stage in cell.all_stages) else "waiting"

    def left(self) -> float:
        """Seconds that what can still run is expected to take, one stage after the other."""
        out = {*self.records, *self.failures, *self.blocked()}
        return sum(spent for name, spent in self.expected.items() if name not in out)

    def missing(self) -> list[Cell]:
        """The cells that are not done."""
        return [cell for cell in self.plan.cells if self.cell_state(cell) != "done"]

    def _results(self, cell: Cell) -> dict[str, str]:
        """Rule that picked a checkpoint -> its results, relative to the store."""
        scored = {PICK: cell.stages["eval"], **cell.picks}
        done = {rule: name for rule, name in scored.items() if name in self.records}
        return {rule: self.plan.stages[name].output for rule, name in done.items()}

    def _write(self, cell: Cell) -> None:
        stages = [self.plan.stages[name] for name in cell.all_stages]
        write_json(
            self.out / CELLS / f"{cell.id}.json" if self.out else Path(),
            {
                "schema": SCHEMA,
                "cell": cell.to_json(),
                "results": self._results(cell),
                "bundles": self.plan.stages[cell.stages["export"]].output,
                "runs": [stage.output for stage in stages if stage.verb == "train"],
                "seconds": {stage.id: self.records[stage.id]["seconds"] for stage in stages},
            },
        )
