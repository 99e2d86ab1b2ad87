"""The table of pairs: languages of the context down, of the question across."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xlt.core.show import terminal as show

__all__ = ["render_cross"]


def render_cross(record: Mapping[str, Any]) -> str:
    """One table a task, of scores in percent; `-` where there is no file or no score."""
    blocks = []
    for task, pairs in record["cross"].items():
        scores = {(one["context"], one["question"]): one["score"] for one in pairs}
        codes = list(dict.fromkeys(code for pair in scores for code in pair))
        rows = [
            [
                code,
                *(_shown(scores.get((code, other))) for other in codes),
                _shown(_mean([scores.get((code, other)) for other in codes if other != code])),
            ]
            for code in codes
        ]
        title = f"{task}  {record['split']}  contexts down, questions across"
        last = "the mean of a row leaves out its own language; no official average has these pairs"
        blocks.append(show.table(["", *codes, "others"], rows, title=title) + f"\n{last}")
    return "\n\n".join(blocks)


def _mean(values: list[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
