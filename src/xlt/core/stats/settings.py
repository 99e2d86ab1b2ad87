"""Two settings by language: seeds and items both drawn, paired, corrected over the languages.

One checkpoint against one is `core.stats.paired`; here each side of a difference is several
checkpoints, or one side is a single one that stands against each seed of the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from xlt.core.stats.clusters import Score, Sums, align
from xlt.core.stats.correction import holm
from xlt.core.stats.paired import Comparison, Pair, Test
from xlt.core.stats.seeds import SeedEffect, seed_effect

__all__ = ["compare_seeds"]

METHOD = "t over seeds and items"


def compare_seeds(
    sides: Mapping[str, Sequence[Pair]], score: Score, rng: np.random.Generator
) -> tuple[dict[str, Comparison], Comparison]:
    """Compare two settings in each language and in the plain mean over languages.

    Args:
        sides: language -> one pair a seed, in the same order in every language.
        score: sums_...S of one side -> percent.
        rng: of the bootstrap, should the method draw.

    Returns:
        Language -> comparison with Holm's correction over the languages; and that of the mean.

    Raises:
        UsageError: fewer than two seeds or clusters.
    """

    def change(sums: Sums) -> NDArray[np.float64]:
        half = sums.shape[-1] // 2
        return np.asarray(score(sums[..., :half]) - score(sums[..., half:]))

    def mean_change(sums: Sums) -> NDArray[np.float64]:
        parts = sums.reshape(*sums.shape[:-1], len(sides), -1)
        return np.asarray(change(parts).mean(axis=-1))

    tables = {lang: _by_seed(pairs) for lang, pairs in sides.items()}
    effects = {lang: seed_effect(table, change, rng) for lang, (_, table) in tables.items()}
    corrected = holm([effect.p for effect in effects.values()])
    found = {
        lang: _comparison(effect, p)
        for (lang, effect), p in zip(effects.items(), corrected, strict=True)
    }
    # languages side by side over the union of their clusters: (seeds, clusters, columns)
    seeds = len(next(iter(sides.values())))
    joined = np.stack(
        [
            np.concatenate(
                list(align([(names, table[seed]) for names, table in tables.values()])[1]), axis=1
            )
            for seed in range(seeds)
        ]
    )
    mean = seed_effect(joined, mean_change, rng)
    return found, _comparison(mean, mean.p)


def _by_seed(pairs: Sequence[Pair]) -> tuple[list[object], Sums]:
    """Names and table_KGS of one language: a's columns, then b's."""
    names, sums_KGS = align(
        [(pair.names, np.concatenate([pair.a, pair.b], axis=1)) for pair in pairs]
    )
    return list(names), sums_KGS


def _comparison(effect: SeedEffect, adjusted: float) -> Comparison:
    return Comparison(
        difference=effect.interval,
        test=Test(p=effect.p, floor=0.0, method=METHOD),
        adjusted=adjusted,
        detectable=effect.detectable,
    )
