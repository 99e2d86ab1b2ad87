"""The best arm of each target by English dev, against the best of as many baseline seeds.

The best of several is better than the average of them by luck alone, so the control chooses among
as many seeds of the baseline by the same rule. Retrieval has no training of its own to choose by:
one checkpoint, fixed by the mean of its targets' English dev scores, answers all retrieval tasks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from xlt.core.tasks.table import TASKS
from xlt.study.answer.contrast import join, untrained
from xlt.study.answer.finding import Finding, finding_of
from xlt.study.answer.folder import Axes
from xlt.study.answer.groups import places_of
from xlt.study.answer.scores import Key, Linear, Place, Scores

__all__ = ["Choice", "best_of"]

Unit = tuple[int | None, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was chosen for one target in one unit: the arm, and both sides' English dev scores."""

    task: str
    unit: int
    arm: str
    dev: float
    baseline_dev: float | None
    candidates: int
    baseline_candidates: int


def best_of(
    scores: Scores,
    arms: Sequence[str],
    baseline: str,
    axes: Axes,
    tasks: Sequence[str],
    languages: str = "transfer",
) -> tuple[Finding | None, list[Choice]]:
    """Mean over targets of the best arm minus the best baseline seed.

    Args:
        scores: of the study.
        arms: that are chosen from, for each target those whose data do not contain its own.
        baseline: whose seeds are the control.
        axes: the further axes.
        tasks: targets.
        languages: see `places_of`.
    """
    units: dict[Unit, list[tuple[float, Place, Linear]]] = {}
    choices: list[Choice] = []
    places: list[Place] = []
    counted: list[str] = []
    short = False
    tuned = [task for task in tasks if not _retrieval(task)]
    for task in tasks:
        clean = [arm for arm in arms if (arm, task) not in scores.same_data]
        own = places_of(scores, [*clean, baseline], axes, [task], languages)
        pool = {arm: scores.keys(arm, axes, task) for arm in clean}
        base = scores.keys(baseline, axes, task)
        if not own or not base or not any(pool.values()):
            continue
        counted.append(task)
        places += own
        numbers = sorted({(key.data_seed, key.unit) for keys in pool.values() for key in keys},
                         key=str)  # fmt: skip
        size = sum(bool(keys) for keys in pool.values())
        fixed = untrained(scores.cells[base[0], task])
        rounds = len(numbers) if fixed else max(1, min(len(numbers), len(base) // size))
        for place, unit in enumerate(numbers[:rounds]):
            having = [
                key for keys in pool.values() for key in keys if (key.data_seed, key.unit) == unit
            ]
            rivals = base[:1] if fixed else base[place * size : (place + 1) * size] or base
            short |= not fixed and len(rivals) < len(having)
            chosen, dev = _pick(scores, having, task, tuned)
            rival, rival_dev = _pick(scores, rivals, task, tuned)
            if chosen is None or rival is None or dev is None:
                continue
            choices.append(
                Choice(
                    task=task, unit=unit[1], arm=chosen.arm, dev=dev, baseline_dev=rival_dev,
                    candidates=len(having), baseline_candidates=len(rivals),
                )
            )  # fmt: skip
            parts = units.setdefault(unit, [])
            for where in own:
                parts.append((1 / len(own), where, scores.linear[chosen][where]))
                parts.append((-1 / len(own), where, scores.linear[rival][where]))
    wanted = sum(2 * sum(place[0] == task for place in places) for task in counted)
    whole = {
        unit: [(weight / len(counted), place, linear) for weight, place, linear in parts]
        for unit, parts in units.items()
        if len(parts) == wanted
    }
    if not whole:
        return None, choices
    seeds = {unit: unit[1] for unit in whole}
    note = "chosen by English dev on both sides"
    if short:
        note += "; the control has fewer seeds to choose from than there are arms, which favours "
        note += "the arms"
    finding = finding_of(
        join(scores, whole, seeds, places), kind="best_of", arm="best arm per target",
        baseline=f"best of as many seeds of {baseline}", axes=axes, tasks=tuple(counted),
        langs=tuple(dict.fromkeys(lang for _, lang in places)), group=languages, note=note,
        fair=not short,
    )  # fmt: skip
    return finding, choices


def _pick(
    scores: Scores, keys: Iterable[Key], task: str, tuned: Sequence[str]
) -> tuple[Key | None, float | None]:
    """The training with the best English dev score; the only one needs none."""
    keys = list(keys)
    known = [(dev, key) for key in keys if (dev := _dev(scores, key, task, tuned)) is not None]
    if not known:
        return (keys[0], None) if len(keys) == 1 else (None, None)
    best = max(dev for dev, _ in known)
    return next(key for dev, key in known if dev == best), best


def _dev(scores: Scores, key: Key, task: str, tuned: Sequence[str]) -> float | None:
    if not _retrieval(task):
        return scores.dev.get((key, task))
    found = [scores.dev[key, name] for name in tuned if (key, name) in scores.dev]
    return sum(found) / len(found) if found else None


def _retrieval(task: str) -> bool:
    return task in TASKS and TASKS[task].kind == "embed"
