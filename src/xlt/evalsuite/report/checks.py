"""Gates for CI: --min-score and --max-drop, parsed before the work and checked after it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from xlt.core.errors import UsageError, did_you_mean
from xlt.evalsuite.report.results import Results

__all__ = ["Floor", "failed_drops", "failed_floors", "parse_floors"]


@dataclass(frozen=True, kw_only=True)
class Floor:
    """A lowest allowed score, in percent, of a task (lang None: its mean) or of one cell."""

    task: str
    lang: str | None
    score: float

    @property
    def name(self) -> str:
        """As it was typed: TASK or TASK.LANG."""
        return self.task if self.lang is None else f"{self.task}.{self.lang}"


def parse_floors(texts: Sequence[str], planned: Mapping[str, Collection[str]]) -> list[Floor]:
    """Read `TASK=X` and `TASK.LANG=X`, comma lists allowed.

    Args:
        texts: what was given to --min-score.
        planned: task -> languages that this call evaluates.

    Raises:
        UsageError: every entry that is malformed or names a cell that is not evaluated.
    """
    floors, mistakes = [], []
    for piece in (part.strip() for text in texts for part in text.split(",")):
        if not piece:
            continue
        name, _, number = piece.partition("=")
        task, _, lang = name.strip().partition(".")
        score = _percent(number)
        if score is None:
            mistakes.append(f"--min-score {piece!r} is not TASK=X or TASK.LANG=X with X in 0..100")
        elif task not in planned:
            mistakes.append(
                f"--min-score {piece!r}: task {task!r} is not evaluated here"
                f"{did_you_mean(task, planned)}"
            )
        elif lang and lang not in planned[task]:
            mistakes.append(f"--min-score {piece!r}: {task} is not evaluated in {lang!r} here")
        else:
            floors.append(Floor(task=task, lang=lang or None, score=score))
    if mistakes:
        raise UsageError.all_of(mistakes, "for example --min-score xnli.sw=60,udpos=70")
    return floors


def failed_floors(results: Results, floors: Sequence[Floor]) -> list[str]:
    """One line for each floor that is not reached; a missing score does not reach it."""
    lines = []
    for floor in floors:
        score = results.score(floor.task, floor.lang)
        if score is None:
            lines.append(f"{floor.name} has no score, {floor.score:g} is needed")
        elif score < floor.score:
            lines.append(f"{floor.name} is {score:.7g}, below {floor.score:g}")
    return lines


def failed_drops(results: Results, against: Results, limit: float) -> list[str]:
    """One line for each cell whose score is more than `limit` points below the other results'.

    Raises:
        UsageError: the two have no scored cell in common, or are of different splits.
    """
    if results.record["split"] != against.record["split"]:
        raise UsageError(
            f"--against {against.path} holds the split {against.record['split']!r}, "
            f"this is {results.record['split']!r}",
            "compare results of one split",
        )
    lines, common = [], 0
    for task in against.tasks:
        before, now = against.scores(task), results.scores(task)
        for lang in before.keys() & now.keys():
            common += 1
            drop = before[lang] - now[lang]
            if drop > limit:
                lines.append(
                    f"{task}.{lang} fell by {drop:.2f} ({before[lang]:.2f} to {now[lang]:.2f})"
                )
    if not common:
        raise UsageError(
            f"--against {against.path} has no task and language in common with these results",
            "evaluate the same tasks in both",
        )
    return sorted(lines)


def _percent(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 100 else None
