"""Where a run's models come from: base, phases, data fingerprints, overlaps, versions."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from xlt._version import __version__
from xlt.core.artifacts.runs import Run
from xlt.core.files import sha256_json
from xlt.data import DataSet
from xlt.train.finetune.card import trained_before
from xlt.train.plan.plan import Plan
from xlt.train.pretrain.compact import Corpus
from xlt.train.workers import workers

__all__ = ["add_phase", "has_phase", "lineage_of"]

PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "numpy")


def lineage_of(plan: Plan, corpus: Corpus | None) -> dict[str, Any]:
    """The `lineage` of run.json before the first phase; that of a base run is carried on."""
    sets = [data for phase in plan.phases for data in phase.sets]
    inherited = plan.base.lineage
    overlaps = [hit.to_json() for hit in plan.overlaps]
    notes = {phase.name: phase.notes() for phase in plan.phases}
    if corpus and corpus.notes:
        notes["text"] = list(corpus.notes)
    return {
        "base_model": inherited.get("base_model", plan.base.name),
        "trained_before": trained_before(plan),
        "phases": [{**entry, "inherited": True} for entry in inherited.get("phases", [])],
        "data": _once(
            [
                *inherited.get("data", []),
                *(corpus.fingerprints() if corpus else []),
                *map(_fingerprint, sets),
            ]
        ),
        "overlaps": _once([*inherited.get("overlaps", []), *overlaps]),
        "non_standard": {
            **inherited.get("non_standard", {}),
            **{task: str(file) for task, file in plan.non_standard.items()},
        },
        "notes": {name: list(dict.fromkeys(lines)) for name, lines in notes.items() if lines},
        "seed": plan.seed,
        "versions": {
            "python": platform.python_version(),
            "xlt": __version__,
            **{name: version(name) for name in PACKAGES},
        },
    }


def has_phase(run: Run, name: str) -> bool:
    """Whether the run itself (not its base) has finished a phase."""
    phases = run.record["lineage"]["phases"]
    return any(entry["name"] == name and not entry.get("inherited") for entry in phases)


def add_phase(run: Run, entry: dict[str, Any]) -> None:
    """Record a finished phase; its checkpoints are not needed any more."""
    lineage = run.record["lineage"]
    run.save(lineage={**lineage, "phases": [*lineage["phases"], entry]})
    if workers().leads:
        shutil.rmtree(run.state / entry["name"], ignore_errors=True)


def _fingerprint(part: DataSet) -> dict[str, Any]:
    return {
        "task": part.task,
        "lang": part.lang,
        "split": part.split,
        "n": len(part.examples),
        "sha256": part.sha256,
        "paths": [str(path) for path in part.paths],
    }


def _once(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({sha256_json(record): record for record in records}.values())
