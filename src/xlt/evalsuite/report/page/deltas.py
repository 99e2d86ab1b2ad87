"""What changed from a baseline, language by language, with tests where items can be paired.

One checkpoint against one: exchanged answers (`core.stats.paired`). Several seeds on both sides:
pairs in the order in which they are given, seeds and items both drawn (`core.stats.seeds`).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xlt.core.errors import XltError
from xlt.core.stats.clusters import align
from xlt.core.stats.paired import Comparison, Pair, compare_all, compare_mean
from xlt.core.stats.power import ALPHA
from xlt.core.stats.settings import compare_seeds
from xlt.core.tasks.table import Task
from xlt.data import DataRoot
from xlt.evalsuite.compute.rows import headline_score
from xlt.evalsuite.report.compare import about
from xlt.evalsuite.report.page.items import read_items
from xlt.evalsuite.report.page.sources import Source

__all__ = ["MEAN", "Delta", "deltas", "scope"]

MEAN = "mean"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """A difference in points; without items to pair there is no more than the number.

    Attributes:
        lang: a code, or `MEAN`: the plain mean over the languages of both sides.
        p: two-sided, corrected over the task's languages by Holm; the mean's is its own.
        detectable: the difference that would be found four times of five.
    """

    task: str
    lang: str
    before: float
    after: float
    change: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    detectable: float | None = None

    @property
    def sure(self) -> bool:
        """Whether chance is an unlikely reason."""
        return self.p is not None and self.p <= ALPHA


def scope(now: Sequence[Source], before: Sequence[Source]) -> str:
    """What a difference is about: these checkpoints, or the settings that seeds stand for."""
    return about(len(now), len(before))


def deltas(
    task: str,
    now: Sequence[Source],
    before: Sequence[Source],
    root: DataRoot | None,
    problems: list[str],
) -> list[Delta]:
    """All languages that every folder has a score for, then their mean.

    Args:
        task: its name.
        now: folders of one setting.
        before: folders of the baseline.
        root: where the items are; None: no tests.
        problems: why there are no tests, one line each, is added here.
    """
    langs = [
        lang
        for lang in dict.fromkeys(lang for name, lang in now[0].cells if name == task)
        if all(source.score(task, lang) is not None for source in (*now, *before))
    ]
    if not langs:
        return []
    plain = [_plain(task, lang, now, before) for lang in langs]
    if len(langs) > 1:
        mean = [sum(getattr(d, side) for d in plain) / len(plain) for side in ("before", "after")]
        plain.append(
            Delta(task=task, lang=MEAN, before=mean[0], after=mean[1], change=mean[1] - mean[0])
        )
    if root is None:
        return plain
    if 1 < len(now) != len(before) > 1:
        problems.append(f"{task}: no tests, {len(now)} runs against {len(before)} make no pairs")
        return plain
    try:
        record = root.tasks.get(task)
        if record is None:
            raise XltError(f"the data root knows no task {task}")
        sides = {lang: _pairs(record, lang, now, before, root) for lang in langs}
        tested = _tests(record, sides)
    except XltError as error:
        problems.append(f"{task}: no tests, {error.message}")
        return plain
    return [_with(delta, tested[delta.lang]) for delta in plain]


def _plain(task: str, lang: str, now: Sequence[Source], before: Sequence[Source]) -> Delta:
    means = []
    for sources in (before, now):
        scores = [score for s in sources if (score := s.score(task, lang)) is not None]
        means.append(sum(scores) / len(scores))
    return Delta(task=task, lang=lang, before=means[0], after=means[1], change=means[1] - means[0])


def _pairs(
    task: Task, lang: str, now: Sequence[Source], before: Sequence[Source], root: DataRoot
) -> list[Pair]:
    """Counts of both sides over the same clusters, one pair a seed; a single one meets all."""
    pairs = []
    most = max(len(now), len(before))
    sides = [[*side] * (most if len(side) == 1 else 1) for side in (now, before)]
    for after, earlier in zip(*sides, strict=True):
        parts = []
        for source in (after, earlier):
            cell = source.cells[task.name, lang]
            path = source.predictions(cell)
            if path is None:
                raise XltError(f"{source.name} has no predictions for {lang}")
            split = str(source.results.record["split"])
            parts.append(read_items(root, task, lang, split, path).rows.sums())
        names, sums_2GS = align(parts)
        pairs.append(Pair(names=names, a=sums_2GS[0], b=sums_2GS[1]))
    return pairs


Bounds = tuple[float, float, float, float]  # low, high, corrected p, detectable


def _tests(task: Task, sides: Mapping[str, Sequence[Pair]]) -> dict[str, Bounds]:
    rng = np.random.default_rng(zlib.crc32(task.name.encode()))
    score = headline_score(task.metric)
    if len(next(iter(sides.values()))) == 1:
        first = {lang: pairs[0] for lang, pairs in sides.items()}
        found = {lang: _bounds(one) for lang, one in compare_all(first, score, rng).items()}
        return found | {MEAN: _bounds(compare_mean(first, score, rng))}

    by_lang, mean = compare_seeds(sides, score, rng)
    return {lang: _bounds(one) for lang, one in by_lang.items()} | {MEAN: _bounds(mean)}


def _bounds(one: Comparison) -> Bounds:
    return one.difference.low, one.difference.high, one.adjusted, one.detectable


def _with(delta: Delta, bounds: Bounds) -> Delta:
    low, high, p, detectable = bounds
    return Delta(
        task=delta.task,
        lang=delta.lang,
        before=delta.before,
        after=delta.after,
        change=delta.change,
        low=low,
        high=high,
        p=p,
        detectable=detectable,
    )
