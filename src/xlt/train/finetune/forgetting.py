"""What a later phase does to an earlier task: the earlier phase's head on the later encoder.

A phase hands over its encoder and drops its head, but its folder, in this run or in the run that
this one started from, keeps both. Its head is put on the encoder that the later phase has written,
untrained, and scored on the English dev set that had selected it, beside what the same folder
scores as it was left. A head is everything above the last layer, a pooler included, whichever
later phase has trained one. Nothing that is trained reads any of this.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from xlt.core.artifacts.runs import Run
from xlt.core.errors import XltError
from xlt.core.files import read_json
from xlt.core.show.terminal import note
from xlt.core.tasks.examples import Example
from xlt.core.tasks.table import Task
from xlt.train.finetune.compare import score_folder
from xlt.train.finetune.scoring import SELECTION
from xlt.train.plan.phases import Phase
from xlt.train.plan.plan import Plan
from xlt.train.plan.read import dev_of_run
from xlt.train.workers import workers

__all__ = ["forgetting"]

FIRST_ONLY = "a phase of several tasks keeps the head of its first"
GONE = "its folder is not there any more"
OTHER_DATA = "its dev set is not the one that it was selected on"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Earlier:
    """A phase before this one: its entry in run.json, and the run that trained it, if found."""

    entry: Mapping[str, Any]
    run: Run | None


def forgetting(plan: Plan, phase: Phase, run: Run, device: torch.device) -> dict[str, Any]:
    """Score the heads of all earlier phases on the encoder of a phase that is written.

    Args:
        plan: of the whole run; empty unless it asks for this.
        phase: the one that has ended, not yet among the run's.
        run: where it was written.
        device: where to compute.

    Returns:
        `forgetting`: a list, oldest phase first, of `phase`, `task`, and either `n`, `metric`,
        `before` and `after` (percent) or `reason`, which says why it cannot be told. {} where no
        earlier phase has a dev score, or another process leads.
    """
    if not plan.forgetting or not workers().leads:
        return {}
    found: list[dict[str, Any]] = []
    for earlier in _earlier(run):
        known = {"phase": earlier.entry["name"], "task": earlier.entry["tasks"][0]}
        try:
            found.append({**known, **_lost(plan, phase, run, earlier, device)})
        except XltError as error:
            found.append({**known, "reason": error.message})
        others = earlier.entry.get("others", {})
        found += [
            {**known, "task": name, "reason": FIRST_ONLY} for name in others if others[name]["dev"]
        ]
    for one in found:
        note(f"{phase.name}: {_words(one)}")
    return {"forgetting": found} if found else {}


def _words(one: Mapping[str, Any]) -> str:
    named = f"{one['task']} of {one['phase']}"
    if "reason" in one:
        return f"{named} is not scored again: {one['reason']}"
    scores = (f"{m} {value:.1f} -> {one['after'][m]:.1f}" for m, value in one["before"].items())
    return f"{named} on English dev, with its own head: {', '.join(scores)}"


def _earlier(run: Run) -> list[_Earlier]:
    """Phases with dev scores, oldest first, each with the run whose folder should hold it."""
    chain = list(_chain(run))
    found = []
    for entry in run.record["lineage"]["phases"]:
        if entry.get("dev") and entry.get("tasks"):
            plain = {name: value for name, value in entry.items() if name != "inherited"}
            having = (one for one in chain if plain in one.record["lineage"]["phases"])
            found.append(_Earlier(entry=plain, run=next(having, None)))
    return found


def _chain(run: Run) -> Iterator[Run]:
    """A run, the run that it started from, and so on; folders that were moved together count."""
    seen = set()
    while run.path.resolve() not in seen:
        seen.add(run.path.resolve())
        yield run
        model = Path(str(run.record["config"].get("model", "")))
        place = run.path.resolve()
        beside = (place.parent / model.name, place.parent.parent / model.parent.name / model.name)
        there = [path for path in (model, *beside) if (path / "run.json").is_file()]
        if not there:
            return
        try:
            run = Run.open(there[0])
        except XltError:
            return


def _lost(
    plan: Plan, phase: Phase, run: Run, earlier: _Earlier, device: torch.device
) -> dict[str, Any]:
    folder = None if earlier.run is None else earlier.run.path / earlier.entry["path"]
    if earlier.run is None or folder is None or not (folder / "config.json").is_file():
        return {"reason": GONE}
    task, examples = _dev(plan, earlier.entry["tasks"][0], earlier.run, folder)
    if not examples:
        return {"reason": OTHER_DATA}
    length = int(earlier.entry["hyper"]["max_length"])
    scores = []
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        for encoder in (None, run.path / phase.folder):
            one = score_folder(
                folder, task, {"en": examples}, length, encoder=encoder, device=device
            )
            scores.append({n: v for n, v in one["en"].items() if n != SELECTION})
    counts = {"n": len(examples), "metric": task.metric}
    return {**counts, "before": scores[0], "after": scores[1]}


def _dev(plan: Plan, name: str, run: Run, folder: Path) -> tuple[Task, Sequence[Example]]:
    """The dev set that selected a phase of a run; no examples where it is another one now."""
    task, dev = dev_of_run(plan.root, name, run.record["config"])
    if not task.labels and task.kind in {"pair", "tag"}:
        labels = read_json(folder / "config.json")["id2label"]
        task = task.with_labels([labels[number] for number in sorted(labels, key=int)])
    # what is held out of a train split is recorded under that split's name
    kept = {one["sha256"] for one in run.record["lineage"]["data"]}
    return task, dev.examples if dev is not None and dev.sha256 in kept else ()
