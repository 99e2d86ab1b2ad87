"""Gates for CI, as they are asked for: --min-score, parsed before any work."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from xlt.core.errors import UsageError, did_you_mean

__all__ = ["Floor", "parse_floors"]


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


def parse_floors(texts: Sequence[str], planned: Mapping[str, Collection[str]]) -> tuple[Floor, ...]:
    """Read `TASK=X` and `TASK.LANG=X`, comma lists allowed.

    Args:
        texts: what was given to --min-score.
        planned: task -> languages that this call evaluates, or would if they were there.

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
    return tuple(floors)


def _percent(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 100 else None
