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
from xlt.core.stats.clusters import Sums, align
from xlt.core.stats.correction import holm
from xlt.core.stats.paired import Comparison, Pair, compare_all, compare_mean
from xlt.core.stats.power import ALPHA
from xlt.core.stats.seeds import seed_effect
from xlt.core.tasks.table import Task
from xlt.data import DataRoot
from xlt.evalsuite.compute.rows import headline_score
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
    if len(now) == len(before) == 1:
        return "these two checkpoints"
    if len(now) == len(before):
        return f"two settings, {len(now)} seeds each, paired in the order given"
    return f"these {len(now) + len(before)} checkpoints"


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
    if len(now) != len(before):
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
    """Counts of both sides over the same clusters, one pair a seed."""
    pairs = []
    for after, earlier in zip(now, before, strict=True):
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

    def change(sums: Sums) -> np.ndarray:
        half = sums.shape[-1] // 2
        return score(sums[..., :half]) - score(sums[..., half:])

    def mean_change(sums: Sums) -> np.ndarray:
        return np.asarray(change(sums.reshape(*sums.shape[:-1], len(sides), -1)).mean(axis=-1))

    tables = {lang: _by_seed(pairs) for lang, pairs in sides.items()}
    effects = {lang: seed_effect(table, change, rng) for lang, (_, table) in tables.items()}
    corrected = holm([effect.p for effect in effects.values()])
    bounds = {
        lang: (effect.interval.low, effect.interval.high, p, effect.detectable)
        for (lang, effect), p in zip(effects.items(), corrected, strict=True)
    }
    # languages side by side over the union of their clusters: (seeds, clusters, columns)
    seeds = len(next(iter(sides.values())))
    joined = np.stack(
        [
            np.concatenate(
                list(align([(names, table[seed]) for names, table in tables.values()])[1]), axis=1
            )
            for seed in range(seeds)
        ]
    )
    mean = seed_effect(joined, mean_change, rng)
    bounds[MEAN] = (mean.interval.low, mean.interval.high, mean.p, mean.detectable)
    return bounds


def _by_seed(pairs: Sequence[Pair]) -> tuple[list[object], Sums]:
    """Names and table_KGS of one language: a's columns, then b's."""
    names, sums_KGS = align(
        [(pair.names, np.concatenate([pair.a, pair.b], axis=1)) for pair in pairs]
    )
    return list(names), sums_KGS


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
