"""Items that stand or fall together are drawn together: sums of counts per cluster, resampled.

A cluster is a paragraph with its questions, or an item with its translations. Letters of
shapes: N items, G clusters, R different rows, S counts of a score, B bootstrap samples.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from xlt.core.errors import UsageError

__all__ = [
    "Score",
    "Sums",
    "align",
    "bootstrap_sums",
    "cluster_sums",
    "distinct",
    "draw_weights",
    "leave_one_out",
    "standard_error",
]

Sums = NDArray[np.float64]
# counts_...S, summed over items -> scores in percent of the leading shape
Score = Callable[[Sums], NDArray[np.float64]]
BLOCK_NUMBERS = 4_000_000  # weights that are held at a time: 32 MB
CHEAP = 15  # a multinomial number costs as much as this many whole numbers that are drawn singly


def cluster_sums(
    counts_NS: Sums, clusters: Sequence[Hashable] | None = None
) -> tuple[list[Hashable], Sums]:
    """Add up the counts of each cluster.

    Args:
        counts_NS: what each item adds to the sums behind a score.
        clusters: each item's cluster; None: every item is one of its own, named by its place.

    Returns:
        The clusters in the order in which they first occur, and sums_GS.

    Raises:
        UsageError: another number of cluster names than of items.
    """
    if clusters is None:
        return list(range(len(counts_NS))), np.asarray(counts_NS, dtype=np.float64)
    if len(clusters) != len(counts_NS):
        raise UsageError(
            f"{len(clusters)} cluster names for {len(counts_NS)} items", "one name an item"
        )
    place: dict[Hashable, int] = {}
    rows = [place.setdefault(name, len(place)) for name in clusters]
    sums_GS = np.zeros((len(place), counts_NS.shape[1]))
    np.add.at(sums_GS, rows, counts_NS)
    return list(place), sums_GS


def align(
    parts: Sequence[tuple[Sequence[Hashable], Sums]],
) -> tuple[list[Hashable], NDArray[np.float64]]:
    """Put several sums over the same clusters side by side; what a part lacks is zero.

    Args:
        parts: (names, sums_GS) of each system or language; all with the same S.

    Returns:
        All names in the order in which they first occur, and sums_PGS (one P a part).
    """
    place: dict[Hashable, int] = {}
    for names, _ in parts:
        for name in names:
            place.setdefault(name, len(place))
    sums_PGS = np.zeros((len(parts), len(place), parts[0][1].shape[1]))
    for part, (names, sums_GS) in enumerate(parts):
        sums_PGS[part, [place[name] for name in names]] = sums_GS
    return list(place), sums_PGS


def distinct(sums_GS: Sums) -> tuple[Sums, NDArray[np.int64]]:
    """The different rows_RS and how often each occurs: resampling needs no more than that."""
    rows_RS, counts_R = np.unique(sums_GS, axis=0, return_counts=True)
    return rows_RS, counts_R.astype(np.int64)


def bootstrap_sums(sums_GS: Sums, samples: int, rng: np.random.Generator) -> Sums:
    """Sums over G clusters drawn with replacement, `samples` times: sums_BS.

    Only how often each *different* row is drawn matters; accuracy has a handful of them.
    """
    rows_RS, counts_R = distinct(sums_GS)
    blocks = [weights_BR @ rows_RS for weights_BR in draw_weights(counts_R, samples, rng)]
    return np.concatenate(blocks)


def draw_weights(
    counts_R: NDArray[np.int64], samples: int, rng: np.random.Generator
) -> Iterator[NDArray[np.float64]]:
    """How often each of R things is drawn when as many are drawn as there are, with replacement.

    Args:
        counts_R: how many there are of each.
        samples: how many times this is done.
        rng: the source of randomness.

    Yields:
        weights_BR, some samples at a time so that memory stays small. Each row sums to
        `counts_R.sum()`.
    """
    total, kinds = int(counts_R.sum()), len(counts_R)
    if kinds * CHEAP < total:
        for size in _blocks(samples, kinds):
            yield rng.multinomial(total, counts_R / total, size=size).astype(np.float64)
        return
    kind_G = np.repeat(np.arange(kinds), counts_R)
    for size in _blocks(samples, total):
        drawn_BG = kind_G[rng.integers(total, size=(size, total))]
        drawn_BG += kinds * np.arange(size)[:, None]
        weights = np.bincount(drawn_BG.ravel(), minlength=size * kinds)
        yield weights.reshape(size, kinds).astype(np.float64)


def leave_one_out(sums_GS: Sums) -> tuple[Sums, NDArray[np.int64]]:
    """Sums without one cluster, for each different row: (sums_RS, how many clusters are so)."""
    rows_RS, counts_R = distinct(sums_GS)
    return sums_GS.sum(axis=0) - rows_RS, counts_R


def standard_error(sums_GS: Sums, score: Score) -> float:
    """Of a score or a difference, by the jackknife over clusters; 0 with a single one."""
    clusters = len(sums_GS)
    if clusters < 2:
        return 0.0
    without_RS, counts_R = leave_one_out(sums_GS)
    without_R = score(without_RS)
    apart_R = without_R - np.average(without_R, weights=counts_R)
    return float(np.sqrt((clusters - 1) / clusters * (counts_R * apart_R**2).sum()))


def _blocks(samples: int, width: int) -> Iterator[int]:
    """Parts of `samples` that keep a matrix of weights small."""
    most = max(1, BLOCK_NUMBERS // max(1, width))
    for start in range(0, samples, most):
        yield min(most, samples - start)
