"""Bitext mining by margin scores (Artetxe and Schwenk 2019), with the rules of XTREME's scripts.

Texts that occur more than once on a side are mined as one item with the embedding of their last
occurrence; a candidate names lines by their first occurrence. Source: XTREME's utils_retrieve.py
(after LASER); where that code stops with an error, the docstrings say what is done here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.core.errors import DataError, UsageError, did_you_mean
from xlt.core.retrieval.knn import Neighbours, nearest, nearest_both, nearest_l2
from xlt.core.retrieval.unit import squared_norms, unit_rows

__all__ = [
    "MARGINS",
    "RETRIEVALS",
    "Candidate",
    "Pair",
    "Threshold",
    "best_threshold",
    "candidates",
    "extract",
    "pair_scores",
    "select",
]

Array = NDArray[Any]
Indices = NDArray[np.int64]
Pair = tuple[str, str]

MARGINS = ("ratio", "distance", "absolute")
RETRIEVALS = ("max", "intersect", "forward", "backward")
KNOWN = {"margin": MARGINS, "retrieval": RETRIEVALS, "distance": ("cosine", "l2")}
AT_ONCE = 65536  # proposals that are plain Python numbers at a time


@dataclass(frozen=True, slots=True)
class Candidate:
    """Line `i` of the first side and line `j` of the second, with a margin score."""

    score: float
    i: int
    j: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A cut on scores, and what the pairs at or above it reach on the gold it was chosen on."""

    value: float
    precision: float
    recall: float
    f1: float


def candidates(
    x_ND: Array,
    y_MD: Array,
    *,
    texts_x: Sequence[str],
    texts_y: Sequence[str],
    k: int = 4,
    margin: str = "ratio",
    retrieval: str = "max",
    threshold: float | None = None,
    distance: str = "cosine",
    shift: bool = False,
) -> list[Candidate]:
    """Mine candidate translation pairs.

    A pair's score compares its similarity with the mean similarity of both texts to their `k`
    nearest neighbours on the other side. Each text proposes its best neighbour.

    Args:
        x_ND: embeddings of the first side.
        y_MD: embeddings of the second side.
        texts_x: the first side's texts, one a row.
        texts_y: the second side's texts.
        k: neighbours a text; at most as many as there are.
        margin: ratio (similarity / mean), distance (similarity - mean) or absolute (similarity).
        retrieval: max (proposals of both sides, best first, every text at most once), intersect
            (pairs that both propose), forward or backward (every text's proposal of one side;
            the official code stops there).
        threshold: keep scores above it. None: 0 for max, as in the official code, else no limit.
        distance: cosine, or l2: neighbours and means by 1 / (1 + squared distance) on embeddings
            as they are, while a pair's own similarity is the inner product, as in the official
            code.
        shift: move the queries of each direction by the difference of the two sides' means.

    Returns:
        Candidates, best first for max, else in the order of the proposing side.

    Raises:
        UsageError: an unknown margin, retrieval or distance.
        DataError: an empty side, or embeddings and texts that do not fit together.
    """
    _check_names(margin=margin, retrieval=retrieval, distance=distance)
    first_x, x_ND = _unified(x_ND, texts_x)
    first_y, y_MD = _unified(y_MD, texts_y)
    if distance == "cosine":
        x_ND, y_MD = unit_rows(x_ND), unit_rows(y_MD)
    forward, backward, means_N, means_M = _neighbours(x_ND, y_MD, k, distance, shift)
    score, i, j = select(
        forward,
        backward,
        means_N=means_N,
        means_M=means_M,
        margin=margin,
        retrieval=retrieval,
        threshold=threshold,
    )
    columns = score.tolist(), first_x[i].tolist(), first_y[j].tolist()
    return [Candidate(*row) for row in zip(*columns, strict=True)]


def select(
    forward: Neighbours,
    backward: Neighbours,
    *,
    means_N: Array,
    means_M: Array,
    margin: str = "ratio",
    retrieval: str = "max",
    threshold: float | None = None,
) -> tuple[Array, Indices, Indices]:
    """Candidate pairs (score, i, j) from neighbours that are given, in the order of `candidates`.

    Args:
        forward: (similarity_NK, index_NK) of the first side's items in the second.
        backward: (similarity_MK, index_MK) of the second side's items in the first.
        means_N: mean similarity of each item of the first side to its neighbours.
        means_M: the same of the second side.
        margin: as in `candidates`.
        retrieval: as in `candidates`.
        threshold: as in `candidates`.
    """
    _check_names(margin=margin, retrieval=retrieval)
    score_N, best_N = _proposals(forward, means_N, means_M, margin)
    score_M, best_M = _proposals(backward, means_M, means_N, margin)
    all_N, all_M = np.arange(len(means_N)), np.arange(len(means_M))
    if retrieval == "max":
        score = np.concatenate([score_N, score_M])
        i, j = np.concatenate([all_N, best_M]), np.concatenate([best_N, all_M])
        kept = _each_once(score, i, j)
        threshold = 0.0 if threshold is None else threshold
    elif retrieval == "backward":
        score, i, j, kept = score_M, best_M, all_M, all_M
    else:
        score, i, j = score_N, all_N, best_N
        kept = all_N if retrieval == "forward" else np.flatnonzero(best_M[best_N] == all_N)
    if threshold is not None:
        kept = kept[score[kept] > threshold]
    return score[kept], i[kept], j[kept]


def _check_names(**names: str) -> None:
    mistakes = [
        f"unknown {what} {name!r}{did_you_mean(name, KNOWN[what])}; known: {' '.join(KNOWN[what])}"
        for what, name in names.items()
        if name not in KNOWN[what]
    ]
    if mistakes:
        raise UsageError.all_of(mistakes)


def _unified(vec_ND: Array, texts: Sequence[str]) -> tuple[Indices, Array]:
    """First lines of the distinct texts, and the embeddings of their last occurrences."""
    if len(vec_ND) != len(texts):
        raise DataError(
            f"{len(vec_ND)} embeddings for {len(texts)} texts", "embed the same file that is mined"
        )
    last = {text: line for line, text in enumerate(texts)}
    if len(last) == len(texts):
        return np.arange(len(texts)), vec_ND
    first: dict[str, int] = {}
    for line, text in enumerate(texts):
        first.setdefault(text, line)
    return np.fromiter(first.values(), np.int64), vec_ND[[last[text] for text in first]]


def _neighbours(
    x_ND: Array, y_MD: Array, k: int, distance: str, shift: bool
) -> tuple[Neighbours, Neighbours, Array, Array]:
    """Neighbours in both directions with the similarities that are scored, and the k-means."""
    x_to_y, y_to_x = x_ND, y_MD
    if shift:
        delta_D = x_ND.mean(axis=0, dtype=np.float64) - y_MD.mean(axis=0, dtype=np.float64)
        x_to_y, y_to_x = x_ND - delta_D, y_MD + delta_D
    if distance == "l2":
        forward, means_N = _by_distance(x_to_y, y_MD, k)
        backward, means_M = _by_distance(y_to_x, x_ND, k)
        return forward, backward, means_N, means_M
    if shift:
        forward, backward = nearest(x_to_y, y_MD, k), nearest(y_to_x, x_ND, k)
    else:
        forward, backward = nearest_both(x_ND, y_MD, k)
    return forward, backward, forward[0].mean(axis=1), backward[0].mean(axis=1)


def _by_distance(x_ND: Array, y_MD: Array, k: int) -> tuple[Neighbours, Array]:
    """Neighbours in L2 with their inner products, and the means of 1 / (1 + squared distance)."""
    squared_NK, index_NK = nearest_l2(x_ND, y_MD, k)
    product_NK = (squared_norms(x_ND)[:, None] + squared_norms(y_MD)[index_NK] - squared_NK) / 2
    return (product_NK, index_NK), (1 / (1 + squared_NK)).mean(axis=1)


def _proposals(
    found: Neighbours, means_N: Array, means_M: Array, margin: str
) -> tuple[Array, Indices]:
    """Each item's best margin score over its neighbours (the first of equals), and with whom."""
    similarity_NK, index_NK = found
    base_NK = (means_N[:, None] + means_M[index_NK]) / 2
    if margin == "ratio":
        worst = np.full(similarity_NK.shape, -np.inf)
        score_NK = np.divide(similarity_NK, base_NK, out=worst, where=base_NK != 0)
    else:
        score_NK = similarity_NK - base_NK if margin == "distance" else similarity_NK
    best_N1 = score_NK.argmax(axis=1)[:, None]
    return (
        np.take_along_axis(score_NK, best_N1, axis=1)[:, 0],
        np.take_along_axis(index_NK, best_N1, axis=1)[:, 0],
    )


def _each_once(score: Array, i: Indices, j: Indices) -> Indices:
    """Proposals best first, dropping those whose text is taken; equal scores keep their order."""
    taken_i, taken_j = (bytearray(int(side.max(initial=-1)) + 1) for side in (i, j))
    order = np.argsort(-score, kind="stable")
    kept = np.zeros(len(order), dtype=np.bool_)
    for start in range(0, len(order), AT_ONCE):
        places = order[start : start + AT_ONCE]
        pairs = zip(i[places].tolist(), j[places].tolist(), strict=True)
        for place, (a, b) in enumerate(pairs, start):
            if not taken_i[a] and not taken_j[b]:
                taken_i[a] = taken_j[b] = kept[place] = True
    return order[kept]


def pair_scores(
    found: Iterable[Candidate],
    *,
    ids_x: Sequence[str],
    ids_y: Sequence[str],
    texts_x: Sequence[str],
    texts_y: Sequence[str],
    repeated: str = "drop",
) -> dict[Pair, float]:
    """Name candidates by ids.

    Args:
        found: candidates, as `candidates` gives them.
        ids_x: ids of the first side's lines.
        ids_y: ids of the second side's lines.
        texts_x: texts of the first side's lines.
        texts_y: texts of the second side's lines.
        repeated: what happens to a text that occurs more than once on its side (outer white
            space aside): `drop` its candidates (official), or `all`: one pair for every
            combination of its ids.

    Returns:
        (id, id) -> score, in the order of the candidates; the best score where a pair repeats.
    """
    if repeated not in ("drop", "all"):
        raise UsageError(f"unknown rule for repeated texts {repeated!r}", "known: drop all")
    lines_x, lines_y = _lines_of(texts_x), _lines_of(texts_y)
    scores: dict[Pair, float] = {}
    for candidate in found:
        with_x = lines_x[texts_x[candidate.i].strip()]
        with_y = lines_y[texts_y[candidate.j].strip()]
        if repeated == "drop" and (len(with_x) > 1 or len(with_y) > 1):
            continue
        for i in with_x:
            for j in with_y:
                pair = ids_x[i], ids_y[j]
                scores[pair] = max(candidate.score, scores.get(pair, candidate.score))
    return scores


def _lines_of(texts: Sequence[str]) -> dict[str, list[int]]:
    lines: dict[str, list[int]] = {}
    for line, text in enumerate(texts):
        lines.setdefault(text.strip(), []).append(line)
    return lines


def best_threshold(scores: Mapping[Pair, float], gold: Collection[Pair]) -> Threshold:
    """The cut with the best F1: half way between the last pair taken and the next.

    When the best cut is after the last pair, its score is the threshold (the official code stops
    with an IndexError there). Without any correct pair the threshold is 0.

    Args:
        scores: (id, id) -> score.
        gold: the correct pairs.
    """
    wanted = set(gold)
    ranked = sorted(scores.items(), key=lambda item: -item[1])
    value, best_f1, correct = 0.0, 0.0, 0
    for taken, (pair, score) in enumerate(ranked, start=1):
        correct += pair in wanted
        f1 = 2 * correct / (taken + len(wanted))
        if f1 > best_f1:
            best_f1 = f1
            value = (score + ranked[taken][1]) / 2 if taken < len(ranked) else score
    kept = extract(scores, value)
    hits = sum(pair in wanted for pair in kept)
    return Threshold(
        value=value,
        precision=100 * hits / max(1, len(kept)),
        recall=100 * hits / max(1, len(wanted)),
        f1=200 * hits / max(1, len(kept) + len(wanted)),
    )


def extract(scores: Mapping[Pair, float], threshold: float) -> list[Pair]:
    """The pairs that score at least `threshold`, in their order."""
    return [pair for pair, score in scores.items() if score >= threshold]
