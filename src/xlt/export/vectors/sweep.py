"""`--sweep-layers`: the block whose vectors find translations best, from one pass.

The choice uses text of the target languages, so it is no zero-shot choice: the manifest, the card
and the flags of an evaluation say so. No test set is read.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.core.errors import DataError
from xlt.core.retrieval.tatoeba import tatoeba_reverse
from xlt.core.tasks.table import TASKS
from xlt.data import DataRoot

__all__ = ["LABEL", "sweep", "sweep_pairs"]

LABEL = "chosen on target-language data"
PAIRS = 200  # a language
FEWEST = 10
Pairs = Mapping[str, Sequence[tuple[str, str]]]
Embed = Callable[[Sequence[str]], Mapping[int, NDArray[np.float32]]]


def sweep_pairs(root: DataRoot) -> dict[str, list[tuple[str, str]]]:
    """(foreign, English) pairs by source: BUCC's dev part, and parallel text.

    Raises:
        DataError: the root has neither.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    bucc = TASKS["bucc2018"]
    for lang in root.langs(bucc, "dev"):
        bitext = root.read(bucc, lang, "dev").bitext
        if bitext is None or not bitext.gold:
            continue
        sides = [{s.id: s.text for s in side} for side in (bitext.foreign, bitext.english)]
        gold = [(sides[0][a], sides[1][b]) for a, b in bitext.gold[:PAIRS]]
        found[f"bucc2018/dev/{lang}"] = gold
    for lang in root.parallel_langs():
        pairs = itertools.islice(root.parallel(lang), PAIRS)
        found[f"parallel/{lang}"] = [(foreign, english) for english, foreign in pairs]
    found = {name: _distinct(pairs) for name, pairs in found.items()}
    found = {name: pairs for name, pairs in found.items() if len(pairs) >= FEWEST}
    if not found:
        raise DataError(
            f"{root.path} has no BUCC dev part and no parallel/en-<lang>.tsv to compare blocks on",
            "add one of them, or name a block with --layer",
        )
    return found


def sweep(pairs: Pairs, embed: Embed) -> tuple[int, dict[str, Any]]:
    """The best block and the record of all.

    Args:
        pairs: from `sweep_pairs`.
        embed: texts -> block -> vectors (N, D), not scaled.

    Returns:
        The block with the highest mean accuracy over languages and both directions (the lowest
        of equal ones), and what the manifest says of the choice.
    """
    scores: dict[int, dict[str, float]] = {}
    for name, listed in pairs.items():
        foreign = embed([a for a, _ in listed])
        english = embed([b for _, b in listed])
        for block in foreign:
            scores.setdefault(block, {})[name] = _accuracy(foreign[block], english[block])
    means = {block: float(np.mean(list(by.values()))) for block, by in scores.items()}
    best = max(sorted(means), key=lambda block: means[block])
    record = {
        "chosen": best,
        "label": LABEL,
        "measure": "nearest translation found, percent, mean of both directions",
        "pairs": {name: len(listed) for name, listed in pairs.items()},
        "mean": {str(block): value for block, value in sorted(means.items())},
        "by_source": {str(block): by for block, by in sorted(scores.items())},
    }
    return best, record


def _accuracy(x_ND: NDArray[np.float32], y_ND: NDArray[np.float32]) -> float:
    there, back = tatoeba_reverse(x_ND, y_ND), tatoeba_reverse(y_ND, x_ND)
    right = sum(line == place for way in (there, back) for place, line in enumerate(way))
    return 100.0 * right / (2 * len(x_ND))


def _distinct(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Pairs without blank sides, whose sides both occur for the first time."""
    seen: tuple[set[str], set[str]] = (set(), set())
    kept = []
    for foreign, english in pairs:
        fresh = foreign not in seen[0] and english not in seen[1]
        if fresh and foreign.strip() and english.strip():
            kept.append((foreign, english))
        seen[0].add(foreign)
        seen[1].add(english)
    return kept
