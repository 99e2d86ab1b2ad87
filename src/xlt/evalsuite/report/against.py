"""How a comparison reads: differences in points, which of them are beyond chance, about what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from xlt.core.stats.power import ALPHA
from xlt.evalsuite.report.compare import Compared
from xlt.evalsuite.report.paired import TaskTests
from xlt.evalsuite.report.results import Results
from xlt.evalsuite.report.screen import COMPARISON, fold, mean

__all__ = ["render_comparison", "short_comparison"]


def render_comparison(
    compared: Sequence[Compared], tested: Mapping[str, TaskTests], against: Results
) -> str:
    """Differences in points to other results, language by language, on the common items."""
    blocks = [f"against {against.path}, in points, on the items that both have"]
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
        blocks += [
            "* p <= .05 after Holm's correction over the task's languages; about these two",
            "checkpoints and other test items, not about training again.",
        ]
    return "\n".join(blocks)


def short_comparison(
    compared: Sequence[Compared],
    tested: Mapping[str, TaskTests],
    against: Results,
    folder: Path,
) -> tuple[dict[str, str], str]:
    """Task -> its mean difference, starred where that is beyond chance; and words on them."""
    changes = {}
    for task in dict.fromkeys(one.task for one in compared):
        common = [one.change for one in compared if one.task == task and one.n_common]
        star = "*" if task in tested and tested[task].mean.adjusted <= ALPHA else ""
        changes[task] = f"{mean(common):+.1f}{star}" if common else "-"
    about = "change: points on common items, * p <= .05; these two checkpoints, not settings"
    return changes, "\n".join([about, f"against {against.path}: {folder / COMPARISON}"])


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
