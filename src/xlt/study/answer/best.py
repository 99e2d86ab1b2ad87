"""The best arm of each target by English dev, against the best of as many baseline seeds.

The best of several is better than the average of them by luck alone, so the control chooses among
as many seeds of the baseline by the same rule. Retrieval has no training of its own to choose by:
one checkpoint, fixed by the mean of its targets' English dev scores, answers all retrieval tasks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from xlt.core.tasks.table import TASKS
from xlt.study.answer.contrast import Unit, join, untrained
from xlt.study.answer.finding import Finding, finding_of
from xlt.study.answer.folder import Axes
from xlt.study.answer.groups import places_of
from xlt.study.answer.scores import Key, Linear, Place, Scores

__all__ = ["Choice", "best_of"]


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
    seeds: dict[Unit, int] = {}
    choices: list[Choice] = []
    places: list[Place] = []
    counted: list[str] = []
    short = False
    tuned = [task for task in tasks if not _retrieval(task)]
    for task in tasks:
        clean = [arm for arm in arms if (arm, task) not in scores.same_data]
        own = places_of(scores, [*clean, baseline], axes, [task], languages)
        pool = {arm: keys for arm in clean if (keys := scores.keys(arm, axes, task))}
        base = scores.keys(baseline, axes, task)
        if not own or not base or not pool:
            continue
        counted.append(task)
        places += own
        # a unit in which an arm is missing has fewer to choose from than the control
        numbers = sorted(set.intersection(*({(key.data_seed, key.unit) for key in keys}
                                            for keys in pool.values())), key=str)  # fmt: skip
        size = len(pool)
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
            seed = scores.cells[chosen, task].intermediate_seed
            for where in own:
                for served in _served(scores, chosen, task, tuned):
                    parts = units.setdefault(served, [])
                    parts.append((1 / len(own), where, scores.linear[chosen][where]))
                    parts.append((-1 / len(own), where, scores.linear[rival][where]))
                    if seed is not None:
                        seeds[served] = seed
    wanted = sum(2 * sum(place[0] == task for place in places) for task in counted)
    whole = {
        unit: [(weight / len(counted), place, linear) for weight, place, linear in parts]
        for unit, parts in units.items()
        if len(parts) == wanted
    }
    if not whole:
        return None, choices
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


def _served(scores: Scores, key: Key, task: str, tuned: Sequence[str]) -> list[Unit]:
    """The units that a training counts in: an encoder in those of all its target trainings."""
    beside = _beside(scores, key, task, tuned) if _retrieval(task) else []
    return list(dict.fromkeys((one.data_seed, one.unit) for one in [*beside] or [key]))


def _beside(scores: Scores, key: Key, task: str, tuned: Iterable[str]) -> list[Key]:
    """The target trainings that began from the training of an encoder."""
    origin = scores.cells[key, task].intermediate_seed
    return [
        one
        for name in tuned
        for one in scores.keys(key.arm, key.axes, name)
        if one.data_seed == key.data_seed
        and (one == key if origin is None else scores.cells[one, name].intermediate_seed == origin)
    ]


def _pick(
    scores: Scores, keys: Iterable[Key], task: str, tuned: Sequence[str]
) -> tuple[Key | None, float | None]:
    """The training with the best English dev score; the only one needs none."""
    keys = list(keys)
    if _retrieval(task):  # by the targets that all of them were tuned on
        names = [n for n in tuned if all(_devs(scores, key, task, n) for key in keys)]
        known = [(sum(_mean(_devs(scores, key, task, n)) for n in names) / len(names), key)
                 for key in keys if names]  # fmt: skip
    else:
        known = [(scores.dev[key, task], key) for key in keys if (key, task) in scores.dev]
    if not known:
        return (keys[0], None) if len(keys) == 1 else (None, None)
    best = max(dev for dev, _ in known)
    return next(key for dev, key in known if dev == best), best


def _devs(scores: Scores, key: Key, task: str, name: str) -> list[float]:
    """English dev scores of the target trainings on a task that began from an encoder."""
    beside = _beside(scores, key, task, [name])
    return [scores.dev[one, name] for one in beside if (one, name) in scores.dev]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _retrieval(task: str) -> bool:
    return task in TASKS and TASKS[task].kind == "embed"
