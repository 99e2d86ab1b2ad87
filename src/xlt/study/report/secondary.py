"""What else goes with a branch or family: script, fertility, size of the pretraining text.

A difference between families may be one of these. They are looked at beside it, over the same
units, and are never a headline: rank correlations of the units' effects, tested by exchanging the
units.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xlt.core.files import read_json
from xlt.core.show.sheet import Sheet, Value
from xlt.core.stats.correction import holm
from xlt.study.answer.answer import Answer
from xlt.study.answer.estimands import effect_of
from xlt.study.answer.groups import unit_of
from xlt.study.answer.verdict import p_value

__all__ = ["fertility", "pretraining_gigabytes", "rank_correlation", "secondary_sheet"]

SIZES = Path(__file__).with_name("cc100.json")
FEWEST = 4  # units that a rank correlation needs
MOST_COUNTED = 7  # units whose orders are all counted out
DRAWN = 9999
SAME = 1e-12


def secondary_sheet(found: Answer) -> Sheet | None:
    """Each unit's effect beside what else it differs in; None where no families are compared."""
    if not found.primary or found.primary[0].kind != "effect_difference":
        return None
    one, scores = found.primary[0], found.scores
    units: dict[str, list[str]] = {}
    for lang in one.langs:
        units.setdefault(unit_of(scores, lang), []).append(lang)
    pieces, sizes = fertility(found), pretraining_gigabytes()
    rows: list[list[Value]] = []
    for unit, langs in sorted(units.items()):
        effect = effect_of(scores, one.arm.split(" + "), one.baseline, scores.axes(), one.tasks,
                           ",".join(langs))  # fmt: skip
        if effect is None:
            continue
        about = scores.languages[langs[0]]
        natural = [c for c in langs if not scores.languages[c].get("constructed") and c in sizes]
        log_size = [math.log10(sizes[code]) for code in natural]
        scripts = sorted({str(scores.languages[code]["script"]) for code in langs})
        rows.append(
            [unit, "yes" if about["indo_european"] else "no", " ".join(langs), " ".join(scripts),
             effect.estimate, _mean([pieces[code] for code in langs if code in pieces]),
             10 ** (sum(log_size) / len(log_size)) if log_size else None]
        )  # fmt: skip
    return Sheet(
        name="secondary",
        title="What else the families differ in",
        header=("branch or family", "Indo-European", "languages", "script", "effect",
                "pieces a word", "gigabytes"),
        rows=rows,
        note=_note(rows),
        signed=("effect",),
    )  # fmt: skip


def _note(rows: Sequence[Sequence[Value]]) -> str:
    told: list[str] = []
    tests: list[tuple[str, float, float, int]] = []
    for name, column in (("pieces a word", 5), ("gigabytes of pretraining text", 6)):
        both = [
            (effect, value)
            for row in rows
            if isinstance(effect := row[4], float) and isinstance(value := row[column], float)
        ]
        if len(both) >= FEWEST:
            effects, values = np.array(both).T
            rho, p = rank_correlation(effects, values)
            tests.append((name, rho, p, len(both)))
    for (name, rho, _, units), p in zip(tests, holm([t[2] for t in tests]), strict=True):
        told.append(f"with {name} {rho:+.2f} ({units} units, p {p_value(p)})")
    ranks = f" Rank correlation of the effect {'; '.join(told)}." if told else ""
    return (
        "Exploratory. Pieces a word: of the model's tokenizer on the test texts. Gigabytes: "
        "geometric mean of CC-100's compressed files, on which XLM-R was pretrained; other models "
        f"saw other texts.{ranks}"
    )


def rank_correlation(
    first_U: NDArray[np.float64], second_U: NDArray[np.float64]
) -> tuple[float, float]:
    """Spearman's rho, and its two-sided p by exchanging the units."""
    x, y = _ranks(first_U), _ranks(second_U)
    size = len(x)
    if x.std() < SAME or y.std() < SAME:
        return 0.0, 1.0
    x, y = (x - x.mean()) / x.std(), (y - y.mean()) / y.std()
    seen = float(x @ y) / size
    if size <= MOST_COUNTED:
        orders = np.array(list(itertools.permutations(range(size))))
        return seen, float((np.abs(y[orders] @ x) / size >= abs(seen) - SAME).mean())
    orders = np.random.default_rng(size).random((DRAWN, size)).argsort(axis=1)
    hits = int((np.abs(y[orders] @ x) / size >= abs(seen) - SAME).sum())
    return seen, (1 + hits) / (1 + DRAWN)


def fertility(found: Answer) -> dict[str, float]:
    """Language -> pieces a word of the tokenizer, the mean over the texts of all tasks."""
    seen: dict[str, list[float]] = {}
    done: set[Path] = set()
    for cell in found.scores.cells.values():
        place = next(iter(cell.results.values()))
        file = place / "measured.json"
        if place in done or not file.is_file():
            continue
        done.add(place)
        for name, entry in read_json(file).get("cells", {}).items():
            value = (entry.get("tokens") or {}).get("tokens_per_word")
            if isinstance(value, float):
                seen.setdefault(name.rpartition("/")[2].partition("-")[2], []).append(value)
    return {lang: sum(values) / len(values) for lang, values in seen.items()}


@cache
def pretraining_gigabytes() -> dict[str, float]:
    """Language -> gigabytes of CC-100's compressed file (its index page)."""
    value: dict[str, float] = json.loads(SIZES.read_text(encoding="utf-8"))["gigabytes"]
    return value


def _ranks(values_U: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1, ties at their mean."""
    return np.array([(values_U < v).sum() + ((values_U == v).sum() + 1) / 2 for v in values_U])


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
