"""Scores of every task, in percent: counts per item first, sums of counts into scores second.

Because every score is a function of summed counts, the same two functions serve the point value
and a bootstrap over items. The numbers are those of XTREME's evaluate.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xlt.core.errors import DataError, UsageError, did_you_mean
from xlt.core.metrics.answers import (
    mlqa_counts,
    qa_scores,
    squad2_counts,
    squad2_scores,
    squad_counts,
)
from xlt.core.metrics.counts import Counts, Scores, f1_scores, same_length
from xlt.core.metrics.tags import tag_counts, token_scores

__all__ = [
    "METRICS",
    "Metric",
    "counts",
    "get_metric",
    "headline_mean",
    "headline_score",
    "measure",
    "metrics_of",
    "scores_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """How one kind of prediction is scored.

    Attributes:
        form: the form of gold and predictions that it takes, as kinds name theirs.
        scores: names of the scores, in the order they are shown.
        headline: the scores whose mean is the task's `avg_metric`.
        count: (gold, predicted, lang) -> counts_NS, one row an item.
        combine: counts_S, summed over items, -> scores; leading axes are kept.
    """

    name: str
    form: str
    scores: tuple[str, ...]
    headline: tuple[str, ...]
    count: Callable[[Any, Any, str], Counts]
    combine: Callable[[Counts], Scores]


def get_metric(name: str) -> Metric:
    """The metric called `name`.

    Raises:
        UsageError: no such metric.
    """
    if name not in METRICS:
        raise UsageError(
            f"unknown metric {name!r}{did_you_mean(name, METRICS)}", "known: " + " ".join(METRICS)
        )
    return METRICS[name]


def metrics_of(form: str) -> tuple[str, ...]:
    """Names of the metrics that can score predictions of a form."""
    return tuple(name for name, metric in METRICS.items() if metric.form == form)


def counts(metric: str, gold: Any, predicted: Any, lang: str) -> Counts:
    """What each item adds to the sums behind a score: (items, counts), for intervals and tests.

    Raises:
        DataError: gold and predicted do not fit together, or there is nothing to score.
    """
    return get_metric(metric).count(gold, predicted, lang)


def measure(metric: str, gold: Any, predicted: Any, lang: str) -> dict[str, float]:
    """Score predictions against gold, in percent; scores over no items at all are left out.

    Args:
        metric: key of `METRICS`.
        gold: in the metric's form: a list of strings (labels, matches), of lists of tags (tags),
            of id pairs (pairs), or question id -> answer texts (answers).
        predicted: the same shape; one text a question.
        lang: language of the answers; only mlqa looks at it.

    Raises:
        DataError: lengths differ (the first place is named), or there is nothing to score.
    """
    return scores_of(metric, counts(metric, gold, predicted, lang))


def scores_of(metric: str, counts_NS: Counts) -> dict[str, float]:
    """The scores of items, in percent; scores over no items at all are left out.

    Args:
        metric: key of `METRICS`.
        counts_NS: what `counts` gave for each item.
    """
    scores = get_metric(metric).combine(counts_NS.sum(axis=0))
    return {name: float(value) for name, value in scores.items() if not np.isnan(value)}


def headline_mean(metric: str, scores: Mapping[str, float]) -> float | None:
    """The mean of a metric's headline scores, which XTREME averages; None where one is missing.

    Question answering: the mean of exact match and F1; F1 for tagging and mining; otherwise
    accuracy (evaluate.py's `avg_metric`, per language).
    """
    names = get_metric(metric).headline
    if not names or any(name not in scores for name in names):
        return None
    return math.fsum(scores[name] for name in names) / len(names)


def headline_score(name: str) -> Callable[[Counts], Counts]:
    """The number that XTREME averages, from summed counts: sums_...S -> percent.

    Args:
        name: of a metric.
    """
    metric = get_metric(name)

    def score(sums: Counts) -> Counts:
        scores = metric.combine(sums)
        return np.asarray(sum(scores[name] for name in metric.headline) / len(metric.headline))

    return score


def accuracy_counts(gold: Sequence[str], predicted: Sequence[str], lang: str) -> Counts:
    """One row (correct, 1) an item; equal means equal strings."""
    same_length(gold, predicted)
    if not gold:
        raise DataError("there are no examples to score", "the label file may be empty")
    hits = [float(a == b) for a, b in zip(gold, predicted, strict=True)]
    return np.stack([np.array(hits), np.ones(len(hits))], axis=1)


def accuracy_scores(sums: Counts) -> Scores:
    """Share of equal items."""
    return {"accuracy": 100 * sums[..., 0] / sums[..., 1]}


def pair_counts(
    gold: Sequence[tuple[str, ...]], predicted: Sequence[tuple[str, ...]], lang: str
) -> Counts:
    """One row (hit, predicted, gold) a distinct pair; duplicates count once (BUCC 2018)."""
    wanted, found = set(gold), set(predicted)
    pairs = dict.fromkeys([*gold, *predicted])
    rows = [(p in wanted and p in found, p in found, p in wanted) for p in pairs]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def no_counts(gold: Any, predicted: Any, lang: str) -> Counts:
    """A task without a score."""
    return np.zeros((0, 0))


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            name="accuracy",
            form="labels",
            scores=("accuracy",),
            headline=("accuracy",),
            count=accuracy_counts,
            combine=accuracy_scores,
        ),
        Metric(
            name="tag_f1",
            form="tags",
            scores=("f1", "precision", "recall", "token_accuracy"),
            headline=("f1",),
            count=tag_counts,
            combine=lambda sums: f1_scores(sums) | token_scores(sums[..., 3:]),
        ),
        Metric(
            name="token_accuracy",
            form="tags",
            scores=("token_accuracy",),
            headline=("token_accuracy",),
            count=lambda gold, predicted, lang: tag_counts(gold, predicted, lang)[:, 3:],
            combine=token_scores,
        ),
        Metric(
            name="squad",
            form="answers",
            scores=("exact_match", "f1"),
            headline=("exact_match", "f1"),
            count=squad_counts,
            combine=qa_scores,
        ),
        Metric(
            name="squad2",
            form="answers",
            scores=(
                "exact_match",
                "f1",
                "has_answer_exact_match",
                "has_answer_f1",
                "no_answer_accuracy",
            ),
            headline=("exact_match", "f1"),
            count=squad2_counts,
            combine=squad2_scores,
        ),
        Metric(
            name="mlqa",
            form="answers",
            scores=("exact_match", "f1"),
            headline=("exact_match", "f1"),
            count=mlqa_counts,
            combine=qa_scores,
        ),
        Metric(
            name="bucc",
            form="pairs",
            scores=("f1", "precision", "recall"),
            headline=("f1",),
            count=pair_counts,
            combine=f1_scores,
        ),
        Metric(
            name="tatoeba",
            form="matches",
            scores=("accuracy",),
            headline=("accuracy",),
            count=accuracy_counts,
            combine=accuracy_scores,
        ),
        Metric(
            name="none", form="", scores=(), headline=(), count=no_counts, combine=lambda sums: {}
        ),
    )
}
