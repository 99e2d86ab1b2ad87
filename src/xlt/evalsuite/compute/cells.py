"""Cells: one (bundle, task, language, split) each, keyed by content, kept on disk when finished.

A cell is kept when its key still fits what is asked and the files beside it still have the bytes
that were written; otherwise it is computed again, and the reason is printed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xlt.core.errors import DataError
from xlt.core.files import read_json, sha256_file, sha256_json, write_json
from xlt.core.metrics.counts import Counts
from xlt.core.metrics.official import write_predictions
from xlt.core.tasks.table import Task
from xlt.evalsuite.compute.items import Items, write_items

__all__ = ["CellStore", "Identity", "Outcome", "State", "difference"]

SCHEMA = 3
FIELDS = {
    "schema", "key", "parts", "n", "metrics", "interval", "baseline", "flags", "predictions",
    "items", "sha256",
}  # fmt: skip
# Cells of older schemas lack fields. Their keys never fit, but they say why a cell is redone.
FIELDS_OF = {1: FIELDS - {"items", "interval"}, 2: FIELDS - {"interval"}, 3: FIELDS}
REASONS = {
    "bundle": "model changed",
    "data": "data changed",
    "record": "task changed",
    "scorer": "scorer changed",
    "encoder": "encoder changed",
    "precision": "precision changed",
    "settings": "settings changed",
}


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Everything that decides a cell's scores; batch budget, threads and device are not in it.

    Attributes:
        bundle: the bundle's key (model, tokenizer, task record).
        data: sha256 over the cell's files, gold included, and how they are read.
        record: the record of the task that is asked: labels, metric, whether there may be no
            answer; not what only averages look at.
        scorer: hash of the code from predictions to scores.
        encoder: hash of the code from files to predictions.
        settings: options that change scores (margin, neighbours ...).
    """

    bundle: str
    data: str
    task: str
    lang: str
    split: str
    record: Mapping[str, Any]
    scorer: str
    encoder: str
    precision: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; the key is their hash."""
        value: dict[str, Any] = json.loads(json.dumps(vars(self)))
        return value

    @property
    def key(self) -> str:
        """The cell's name on disk: sha256 of the identity."""
        return sha256_json(self.to_json())

    @property
    def slot(self) -> tuple[str, str, str]:
        """(task, split, language): a results folder holds one finished cell for each."""
        return self.task, self.split, self.lang


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What evaluating a cell gave.

    Attributes:
        n: items that were scored (foreign sentences for retrieval).
        metrics: name -> percent, or a threshold; empty without gold labels.
        flags: remarks that belong to the data or the protocol ("unlabelled" ...).
        predictions: in the form that `core.metrics.official` writes; None: nothing to write.
        baseline: the metrics of always answering the most frequent training label.
        counts: counts_NS of the items behind the metrics; None for retrieval, or without gold.
        items: hashes and counts of the items, for later comparison; None without gold.
        interval: of the score (`rows.score_interval`); None without a score.
        tokens: how the tokenizer takes the texts (`tokens.token_facts`); not in the cell.
        notes: what a reader did or found, to be told; not in the cell.
    """

    n: int
    metrics: Mapping[str, float]
    flags: tuple[str, ...] = ()
    predictions: Any = None
    baseline: Mapping[str, float] = field(default_factory=dict)
    counts: Counts | None = None
    items: Items | None = None
    interval: Mapping[str, Any] | None = None
    tokens: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class State:
    """Whether a cell can be kept; when not, it is new, or redone for a reason.

    Attributes:
        text: "kept", "new" or "redone: why".
        record: the stored cell when it is kept.
    """

    text: str
    record: Mapping[str, Any] | None = None


class CellStore:
    """The finished cells of one results folder."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self._by_slot: dict[tuple[str, str, str], list[Path]] = {}
        self._damaged: set[str] = set()
        self._records: dict[Path, dict[str, Any]] = {}
        for path in sorted((out / "cells").glob("*.json")):
            record = _read_cell(path)
            if record is None:
                self._damaged.add(path.stem)
                continue
            parts = record["parts"]
            slot = (parts["task"], parts["split"], parts["lang"])
            self._records[path] = record
            self._by_slot.setdefault(slot, []).append(path)

    def __len__(self) -> int:
        return len(self._records)

    def path(self, key: str) -> Path:
        """Where the cell with this key is stored."""
        return self.out / "cells" / f"{key}.json"

    def state(self, identity: Identity, *, force: bool = False) -> State:
        """Compare what is asked with what is stored; `force` keeps nothing."""
        record = self._records.get(self.path(identity.key))
        if record is not None:
            fault = "asked by --force" if force else self._fault(record)
            return State(text=f"redone: {fault}") if fault else State(text="kept", record=record)
        if identity.key in self._damaged:
            return State(text="redone: cell file damaged")
        others = [self._records[path] for path in self._by_slot.get(identity.slot, [])]
        if not others:
            return State(text="new")
        return State(text=f"redone: {difference(identity.to_json(), others)}")

    def save(
        self, identity: Identity, outcome: Outcome, task: Task, name: str
    ) -> Mapping[str, Any]:
        """Write the predictions, then the cell, then drop what it replaces.

        Args:
            identity: what was evaluated.
            outcome: what it gave.
            task: the layout of the predictions file.
            name: the predictions' path inside the results folder.

        Returns:
            The stored record.
        """
        stored = None
        if outcome.predictions is not None:
            write_predictions(task, self.out / name, outcome.predictions)
            stored = {"path": name, "sha256": sha256_file(self.out / name)}
        items = None
        place = self.out / items_path(identity)
        if outcome.items is not None:
            write_items(place, outcome.items)
            items = {"path": items_path(identity), "sha256": sha256_file(place)}
        body = {
            "schema": SCHEMA,
            "key": identity.key,
            "parts": identity.to_json(),
            "n": outcome.n,
            "metrics": dict(outcome.metrics),
            "interval": None if outcome.interval is None else dict(outcome.interval),
            "baseline": dict(outcome.baseline),
            "flags": list(outcome.flags),
            "predictions": stored,
            "items": items,
        }
        record = {**body, "sha256": sha256_json(body)}
        target = self.path(identity.key)
        write_json(target, record)
        for old in self._by_slot.get(identity.slot, []):
            if old != target:
                old.unlink(missing_ok=True)
                self._records.pop(old, None)
        if stored is None:
            (self.out / name).unlink(missing_ok=True)
        if items is None:
            place.unlink(missing_ok=True)
        self._by_slot[identity.slot] = [target]
        self._records[target] = record
        return record

    def _fault(self, record: Mapping[str, Any]) -> str:
        """What is wrong with the files beside a stored cell; empty when they are as written."""
        for name in ("predictions", "items"):
            stored = record[name]
            if stored is None:
                continue
            path = self.out / stored["path"]
            if not path.is_file():
                return f"{name} missing"
            if sha256_file(path) != stored["sha256"]:
                return f"{name} changed"
        return ""


def items_path(identity: Identity) -> str:
    """Where the items of a cell go inside the results folder."""
    return f"items/{identity.task}/{identity.split}-{identity.lang}.npz"


def _read_cell(path: Path) -> dict[str, Any] | None:
    """A stored cell; None when the file is damaged."""
    try:
        record = read_json(path)
    except DataError:
        return None
    if not isinstance(record, dict) or set(record) != FIELDS_OF.get(record.get("schema", 0)):
        return None
    body = {name: value for name, value in record.items() if name != "sha256"}
    whole = record["sha256"] == sha256_json(body)
    return record if whole and record["key"] == path.stem == sha256_json(record["parts"]) else None


def difference(asked: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> str:
    """What has changed since the stored cell that differs least.

    Args:
        asked: an identity as JSON.
        others: stored cells; their `parts` are compared.
    """
    changed = min(
        ([name for name in REASONS if asked[name] != other["parts"].get(name)] for other in others),
        key=len,
    )
    return ", ".join(REASONS[name] for name in changed)
