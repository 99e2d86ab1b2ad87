"""How a comparison reads: differences in points, which of them are beyond chance, about what."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import stdev

from xlt.core.show import terminal as show
from xlt.core.stats.power import ALPHA
from xlt.evalsuite.report.compare import Compared, about
from xlt.evalsuite.report.paired import TaskTests
from xlt.evalsuite.report.results import Results
from xlt.evalsuite.report.screen import COMPARISON, WIDTH, fold, mean

__all__ = ["render_comparison", "short_comparison"]


def render_comparison(
    compared: Sequence[Compared], tested: Mapping[str, TaskTests], runs: Sequence[Results]
) -> str:
    """Differences in points to other results, language by language, on the common items."""
    paths = [str(run.path) for run in runs]
    blocks = [f"against {path}, in points, on the items that both have" for path in paths[:1]]
    if len(runs) > 1:
        blocks = ["against the mean of", *(f"  {n}: {path}" for n, path in enumerate(paths, 1))]
        blocks += ["in points, on the items that all have", side_by_side(compared), ""]
    for task in dict.fromkeys(one.task for one in compared):
        rows = [one for one in compared if one.task == task]
        common = [one for one in rows if one.n_common]
        tests = tested.get(task)
        if common:
            middle = mean([one.change for one in common])
            parts = [f"{one.lang} {one.change:+.1f}{_mark(tests, one.lang)}" for one in common]
            blocks.append(fold(f"{task} {middle:+.1f} (mean of {len(common)})", parts, gap="  "))
        if tests:
            blocks.append(_tested(tests))
        unequal = [f"{one.lang} {one.sizes}" for one in rows if not one.equal]
        if unequal:
            blocks.append(fold(f"{task}, other items than before", unequal, gap="; "))
    if tested:
        words = "* p <= .05 after Holm's correction over the task's languages; about "
        words += f"{about(1, len(runs))} and other test items"
        words += ", not about training again." if len(runs) == 1 else ", drawn with the seeds."
        blocks.append("\n".join(textwrap.wrap(words, WIDTH)))
    return "\n".join(blocks)


def short_comparison(
    compared: Sequence[Compared],
    tested: Mapping[str, TaskTests],
    runs: Sequence[Results],
    folder: Path,
) -> tuple[dict[str, str], str]:
    """Task -> its mean difference, starred where that is beyond chance; and words on them."""
    changes = {}
    for task in dict.fromkeys(one.task for one in compared):
        common = [one.change for one in compared if one.task == task and one.n_common]
        star = "*" if task in tested and tested[task].mean.adjusted <= ALPHA else ""
        changes[task] = f"{mean(common):+.1f}{star}" if common else "-"
    lines = [f"change: points on common items, * p <= .05; {about(1, len(runs))}"]
    parts = [
        f"{task} {mean(values):.1f} ± {stdev(values):.1f}"
        for task in changes
        if (values := _means_of_runs([one for one in compared if one.task == task]))
    ]
    if parts:
        lines.append(fold(f"those {len(runs)}, mean and spread", parts, gap="  "))
    return changes, "\n".join([*lines, f"by language: {folder / COMPARISON}"])


def side_by_side(compared: Sequence[Compared]) -> str:
    """A task a row: the runs of the other setting, their mean and spread, and these results."""
    rows = []
    for task in dict.fromkeys(one.task for one in compared):
        common = [one for one in compared if one.task == task and one.runs]
        means = _means_of_runs(common)
        if means:
            now = mean([one.now for one in common if one.now is not None])
            numbers = [*means, mean(means), stdev(means), now]
            rows.append([task, str(len(common)), *(f"{value:.1f}" for value in numbers)])
    if not rows:
        return "no language is in all of them"
    names = [str(n) for n in range(1, len(rows[0]) - 4)]
    return show.table(["task", "langs", *names, "mean", "spread", "here"], rows)


def _means_of_runs(compared: Sequence[Compared]) -> list[float]:
    """The mean over languages of each run."""
    return [mean(values) for values in zip(*(one.runs for one in compared), strict=True)]


def _mark(tests: TaskTests | None, lang: str) -> str:
    test = tests.languages.get(lang) if tests else None
    return "*" if test is not None and test.adjusted <= ALPHA else ""


def _tested(tests: TaskTests) -> str:
    """The mean with its test, and what differences could have been found."""
    middle, limits = tests.mean, [one.detectable for one in tests.languages.values()]
    low, high = middle.difference.low, middle.difference.high
    several = f"{min(limits):.1f} to {max(limits):.1f}" if len(limits) > 1 else f"{limits[0]:.1f}"
    return (
        f"  mean [{low:+.1f}, {high:+.1f}], p {middle.test.p:.2g}; "
        f"detectable: {middle.detectable:.1f}, one language {several}"
    )
