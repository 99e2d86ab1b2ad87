"""Learning curves from the log of the run that a results folder lies in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xlt.core.show.figures import Series, curves
from xlt.evalsuite.report.page.sources import Source

__all__ = ["learning_curves"]

LOG, RECORD = "log.jsonl", "run.json"
MOST_SERIES, MOST_POINTS = 8, 400


def learning_curves(sources: Sequence[Source]) -> list[tuple[str, str]]:
    """(caption, figure) of losses and of English dev scores of each run that is found.

    A run is the folder above a results folder, as `xlt eval RUN` leaves it. Lines of the log
    that cannot be read are passed over: a run may still be writing.
    """
    figures = []
    for source in sources:
        run = source.path.resolve().parent
        if not ((run / RECORD).is_file() and (run / LOG).is_file()):
            continue
        losses: dict[str, list[tuple[float, float]]] = {}
        scores: dict[str, list[tuple[float, float]]] = {}
        for line in _lines(run / LOG):
            phase, step = line.get("phase"), line.get("step")
            if not isinstance(phase, str) or not isinstance(step, int):
                continue
            if isinstance(line.get("loss"), int | float):
                losses.setdefault(phase, []).append((step, float(line["loss"])))
            if isinstance(line.get("dev"), dict):
                first = next((v for v in line["dev"].values() if isinstance(v, int | float)), None)
                if first is not None:
                    scores.setdefault(phase, []).append((step, float(first)))
        for what, found in (("training loss", losses), ("English dev score", scores)):
            lines = [
                Series(name=phase, points=_thin(points))
                for phase, points in list(found.items())[:MOST_SERIES]
            ]
            if lines:
                caption = f"{source.name}: {what} by updates"
                figures.append((caption, curves(caption, lines, x_name="updates", y_name=what)))
    return figures


def _lines(path: Path) -> list[dict[str, Any]]:
    found = []
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def _thin(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """Every n-th point and the last, so that a page stays small."""
    step = max(1, len(points) // MOST_POINTS)
    return [*points[:-1:step], points[-1]]
