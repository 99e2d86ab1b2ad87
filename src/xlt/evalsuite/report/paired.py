"""Are two evaluations different beyond chance? Tests on the rows that both have, by language."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xlt.core.stats.clusters import align, cluster_sums
from xlt.core.stats.paired import Comparison, Pair, compare_all, compare_mean
from xlt.evalsuite.compute.items import read_items
from xlt.evalsuite.compute.rows import headline_score
from xlt.evalsuite.report.compare import Compared
from xlt.evalsuite.report.results import Results

__all__ = ["TaskTests", "comparison_record", "paired_tests"]

Cell = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTests:
    """The tests of one task: each language, corrected by Holm over them, and their plain mean."""

    languages: Mapping[str, Comparison]
    mean: Comparison


def paired_tests(
    results: Results, against: Results, compared: Sequence[Compared]
) -> dict[str, TaskTests]:
    """Test every task on the common items; what has no rows on both sides is left out.

    Raises:
        DataError: the items of a cell cannot be read.
    """
    cells, others = (
        {(cell["task"], cell["lang"]): cell for cell in side.cells} for side in (results, against)
    )
    pairs: dict[str, dict[str, Pair]] = {}
    metrics: dict[str, str] = {}
    for one in compared:
        key = one.task, one.lang
        pair = _pair(results, cells[key], against, others[key]) if one.n_common else None
        if pair is not None:
            pairs.setdefault(one.task, {})[one.lang] = pair
            metrics[one.task] = cells[key]["parts"]["record"]["metric"]
    found = {}
    for task, by_lang in pairs.items():
        rng = np.random.default_rng(zlib.crc32(task.encode()))
        score = headline_score(metrics[task])
        found[task] = TaskTests(
            languages=compare_all(by_lang, score, rng), mean=compare_mean(by_lang, score, rng)
        )
    return found


def comparison_record(
    compared: Sequence[Compared], tested: Mapping[str, TaskTests], against: Results
) -> dict[str, Any]:
    """The comparison as `--json` gives it."""
    rows = []
    for one in compared:
        tests = tested.get(one.task)
        test = tests.languages.get(one.lang) if tests else None
        rows.append(
            {
                "task": one.task, "lang": one.lang, "n": one.n, "n_before": one.n_before,
                "n_common": one.n_common, "now": one.now, "before": one.before,
                "test": None if test is None else test.to_json(),
            }
        )  # fmt: skip
    return {
        "against": str(against.path),
        "about": "these two checkpoints",
        "cells": rows,
        "means": {task: tests.mean.to_json() for task, tests in tested.items()},
    }


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
