"""Are two evaluations different beyond chance? Tests on the rows that both have, by language."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import stdev
from typing import Any

import numpy as np

from xlt.core.errors import UsageError
from xlt.core.stats.clusters import align, cluster_sums
from xlt.core.stats.paired import Comparison, Pair, compare_all, compare_mean
from xlt.core.stats.settings import compare_seeds
from xlt.evalsuite.compute.items import read_items
from xlt.evalsuite.compute.rows import headline_score
from xlt.evalsuite.report.compare import Compared, about
from xlt.evalsuite.report.results import Results

__all__ = ["TaskTests", "comparison_record", "paired_tests"]

Cell = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTests:
    """The tests of one task: each language, corrected by Holm over them, and their plain mean."""

    languages: Mapping[str, Comparison]
    mean: Comparison


def paired_tests(
    results: Results, runs: Sequence[Results], compared: Sequence[Compared]
) -> dict[str, TaskTests]:
    """Test every task on the common items; what has no rows on both sides is left out.

    Args:
        results: those of one checkpoint.
        runs: of one other checkpoint, or of several seeds of one setting, which are then drawn
            as the items are.
        compared: what `compare_runs` found.

    Raises:
        DataError: the items of a cell cannot be read.
    """
    cells, *others = (
        {(cell["task"], cell["lang"]): cell for cell in side.cells} for side in (results, *runs)
    )
    sides: dict[str, dict[str, list[Pair]]] = {}
    metrics: dict[str, str] = {}
    for one in compared:
        key = one.task, one.lang
        if not one.n_common:
            continue
        pairs = [
            _pair(results, cells[key], run, other[key])
            for run, other in zip(runs, others, strict=True)
        ]
        whole = [pair for pair in pairs if pair is not None]
        if len(whole) == len(pairs):
            sides.setdefault(one.task, {})[one.lang] = whole
            metrics[one.task] = cells[key]["parts"]["record"]["metric"]
    found = {task: _tested(task, by_lang, metrics[task]) for task, by_lang in sides.items()}
    return {task: tests for task, tests in found.items() if tests is not None}


def comparison_record(
    compared: Sequence[Compared], tested: Mapping[str, TaskTests], runs: Sequence[Results]
) -> dict[str, Any]:
    """The comparison as `--json` gives it."""
    rows = []
    for one in compared:
        tests = tested.get(one.task)
        test = tests.languages.get(one.lang) if tests else None
        several = {"runs": list(one.runs), "spread": stdev(one.runs)} if one.runs else {}
        rows.append(
            {
                "task": one.task, "lang": one.lang, "n": one.n, "n_before": one.n_before,
                "n_common": one.n_common, "now": one.now, "before": one.before, **several,
                "test": None if test is None else test.to_json(),
            }
        )  # fmt: skip
    paths = [str(run.path) for run in runs]
    return {
        "against": paths[0] if len(paths) == 1 else paths,
        "about": about(1, len(runs)),
        "cells": rows,
        "means": {task: tests.mean.to_json() for task, tests in tested.items()},
    }


def _tested(task: str, sides: Mapping[str, Sequence[Pair]], metric: str) -> TaskTests | None:
    """The tests of a task; None where seeds and items are too few to have a spread."""
    rng, score = np.random.default_rng(zlib.crc32(task.encode())), headline_score(metric)
    if len(next(iter(sides.values()))) == 1:
        single = {lang: pairs[0] for lang, pairs in sides.items()}
        return TaskTests(
            languages=compare_all(single, score, rng), mean=compare_mean(single, score, rng)
        )
    try:
        languages, mean = compare_seeds(sides, score, rng)
    except UsageError:
        return None
    return TaskTests(languages=languages, mean=mean)


def _pair(results: Results, cell: Cell, against: Results, other: Cell) -> Pair | None:
    """Counts of both over the same clusters; None where one side has no rows."""
    if not cell.get("items") or not other.get("items"):
        return None
    here, there = (
        read_items(folder.path / one["items"])
        for folder, one in ((results, cell), (against, other))
    )
    if here.rows is None or there.rows is None:
        return None
    if here.counts.shape[1] and there.counts.shape[1]:
        _, at, at_other = np.intersect1d(here.hashes, there.hashes, return_indices=True)
        clusters = here.rows.clusters[at].tolist()
        names, a = cluster_sums(here.rows.counts[at], clusters)
        return Pair(names=names, a=a, b=cluster_sums(there.rows.counts[at_other], clusters)[1])
    if not np.array_equal(here.hashes, there.hashes):
        return None
    names, both = align([here.rows.sums(), there.rows.sums()])
    return Pair(names=names, a=both[0], b=both[1])
