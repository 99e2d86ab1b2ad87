"""Do the intervals hold what they say? Simulated tables whose true effects are known exactly.

    python benchmarks/calibration.py [--tables 1000] [--jobs 2]

Seeds: two settings with K seeds each, paired by seed, in five languages that share their items.
An answer is right when a normal variable is above zero; setting, language, seed, seed in a
language, cluster, item and rest each add to it, so that the true accuracies are values of the
normal distribution. "seeds" and "items" name what makes most of the noise. Coverage is that of
95 % intervals of the languages and of their mean, false positives are tables without any effect
in which some language has one after correction (Holm's first step).

One checkpoint: intervals of accuracy and of F1 over clusters of items, and the paired test.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from xlt.core.metrics.counts import f1_scores
from xlt.core.stats.clusters import cluster_sums
from xlt.core.stats.intervals import interval
from xlt.core.stats.paired import Pair, compare_all
from xlt.core.stats.seeds import METHODS, seed_effect
from xlt.core.stats.special import normal_cdf

LANGUAGES, CLUSTERS, PER_CLUSTER = 5, 60, 4
SAMPLES = 999
CENTRE = np.array([0.9, 0.5, 0.3, 0.1, -0.2])
EFFECT = np.array([0.15, 0.1, 0.3, 0.0, -0.1])
CLUSTER, ITEM, REST = 0.4, 0.6, 1.0
ROWS = (("seeds", 3), ("seeds", 5), ("seeds", 10), ("items", 3), ("items", 5))
NOISE = {"seeds": 0.25, "items": 0.04}  # standard deviation of a seed, and of a seed in a language
LEVEL = 0.95


def accuracy(sums):
    return 100 * sums[..., 0] / sums[..., 1]


def change(sums):
    half = sums.shape[-1] // 2
    return accuracy(sums[..., :half]) - accuracy(sums[..., half:])


def mean_change(sums):
    return change(sums.reshape(*sums.shape[:-1], LANGUAGES, -1)).mean(axis=-1)


def f1(sums):
    return f1_scores(sums)["f1"]


def seeds_table(rng, seeds, sd, effect):
    """Counts_KGLS (with, without: hits and items) and the true differences of the languages."""
    shape = (seeds, CLUSTERS, LANGUAGES, PER_CLUSTER)
    items = CLUSTER * rng.normal(size=(1, CLUSTERS, 1, 1)) + ITEM * rng.normal(size=(1, *shape[1:]))
    columns = []
    for arm in (1, 0):
        seed = sd * (rng.normal(size=(seeds, 1, 1, 1)) + rng.normal(size=(seeds, 1, LANGUAGES, 1)))
        latent = (CENTRE + arm * effect)[:, None] + seed + items + REST * rng.normal(size=shape)
        columns += [(latent > 0).sum(axis=-1), np.full(shape[:-1], PER_CLUSTER)]
    spread = math.sqrt(2 * sd**2 + CLUSTER**2 + ITEM**2 + REST**2)
    truth = [
        100 * (normal_cdf((c + e) / spread) - normal_cdf(c / spread))
        for c, e in zip(CENTRE, effect, strict=True)
    ]
    return np.stack(columns, axis=-1).astype(float), np.array(truth)


def one_seeds_table(seeds, noise, number):
    """method -> (languages covered, mean covered, any false positive) of one table."""
    rng = np.random.default_rng([number, seeds, len(noise)])
    table, truth = seeds_table(rng, seeds, NOISE[noise], EFFECT)
    null, _ = seeds_table(rng, seeds, NOISE[noise], EFFECT * 0)
    found = {}
    for method in METHODS:
        effect = partial(seed_effect, method=method, samples=SAMPLES)
        covered = []
        for lang in range(LANGUAGES):
            got = effect(table[:, :, lang], change, rng, level=LEVEL).interval
            covered.append(got.low <= truth[lang] <= got.high)
        joined = table.reshape(*table.shape[:2], -1)
        mean = effect(joined, mean_change, rng, level=LEVEL).interval
        level = 1 - (1 - LEVEL) / LANGUAGES
        false = False
        for lang in range(LANGUAGES):
            got = effect(null[:, :, lang], change, rng, level=level).interval
            false |= not got.low <= 0 <= got.high
        found[method] = (float(np.mean(covered)), mean.low <= truth.mean() <= mean.high, false)
    return found


def checkpoint_counts(rng, clusters, centre, second):
    """Rows (hit, predicted, gold) and (hit, 1) of one or two systems, in clusters of 1 to 5."""
    sizes = rng.integers(1, 6, size=clusters)
    names = np.repeat(np.arange(clusters), sizes)
    shared = 0.8 * rng.normal(size=clusters)[names]
    rows = []
    for _ in range(2 if second else 1):
        hit = (centre + shared + rng.normal(size=len(names)) > 0).astype(float)
        extra = (rng.random(len(names)) < 0.2).astype(float)
        rows.append(cluster_sums(np.stack([hit, hit + extra, np.ones(len(hit))], 1), names)[1])
    return rows


def one_checkpoint(clusters, centre, number):
    """(score, method) -> covered, and whether five languages of equal systems show a difference."""
    rng = np.random.default_rng([number, clusters, round(1000 * centre)])
    right = normal_cdf(centre / math.sqrt(1 + 0.8**2))
    truth = {"accuracy": 100 * right, "F1": 200 * right / (right + 0.2 + 1)}
    (rows,) = checkpoint_counts(rng, clusters, centre, second=False)
    columns = {"accuracy": (rows[:, [0, 2]], accuracy), "F1": (rows, f1)}
    covered = {}
    for score, (sums, function) in columns.items():
        for method in ("bca", "percentile"):
            got = interval(sums, function, rng, method=method, samples=SAMPLES)
            covered[score, method] = got.low <= truth[score] <= got.high
    pairs = {}
    for lang in "abcde":
        a, b = checkpoint_counts(rng, clusters, centre, second=True)
        pairs[lang] = Pair(names=range(clusters), a=a, b=b)
    tests = compare_all(pairs, f1, rng)
    covered["false"] = any(one.adjusted <= 1 - LEVEL for one in tests.values())
    return covered


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    started = time.monotonic()
    numbers = range(arguments.tables)
    with ProcessPoolExecutor(arguments.jobs) as pool:
        print("| noise | seeds | method | languages covered | mean covered | false positives |")
        print("|---|---:|---|---:|---:|---:|")
        for noise, seeds in ROWS:
            one = partial(one_seeds_table, seeds, noise)
            tables = list(pool.map(one, numbers, chunksize=10))
            for method in METHODS:
                shares = 100 * np.mean([table[method] for table in tables], axis=0)
                row = " | ".join(f"{share:.1f}" for share in shares)
                print(f"| {noise} | {seeds} | {method} | {row} |", flush=True)
        print("\n| clusters | accuracy | accuracy bca | percentile | F1 bca | percentile | false |")
        print("|---:|---:|---:|---:|---:|---:|---:|")
        for clusters, centre in ((50, 0.5), (200, 0.5), (200, 2.0)):
            one = partial(one_checkpoint, clusters, centre)
            tables = list(pool.map(one, numbers, chunksize=10))
            right = 100 * normal_cdf(centre / math.sqrt(1 + 0.8**2))
            shares = [100 * np.mean([table[name] for table in tables]) for name in tables[0]]
            row = " | ".join(f"{share:.1f}" for share in shares)
            print(f"| {clusters} | {right:.0f} % | {row} |", flush=True)
    minutes = (time.monotonic() - started) / 60
    print(f"\n{arguments.tables} tables a row, {minutes:.0f} minutes")


if __name__ == "__main__":
    main()
