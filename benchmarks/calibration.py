"""Do the intervals hold what they say? Simulated tables whose true effects are known exactly.

    python benchmarks/calibration.py [--tables 1000] [--jobs 2]

Seeds: two settings with K seeds each, paired by seed, in five languages that share their items.
An answer is right when a normal variable is above zero; setting, language, seed, seed in a
language, cluster, item and rest each add to it, so that the true accuracies are values of the
normal distribution. "seeds" and "items" name what makes most of the noise. Coverage is that of
95 % intervals of the languages and of their mean, false positives are tables without any effect
in which some language has one after correction (Holm's first step).

Families: the difference of an effect between two groups of languages whose units (branches,
families) are drawn as well; the interval for other languages, seeds and items, its test, and the
exchange of units alone. Studies: two arms of four languages and two tasks, all findings corrected
together (Benjamini-Hochberg); false positives are tables without any effect in which one is called
sure.

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
from xlt.core.stats.correction import benjamini_hochberg
from xlt.core.stats.intervals import interval
from xlt.core.stats.paired import Pair, compare_all
from xlt.core.stats.seeds import METHODS, effect_of_values, pseudo_values, seed_effect
from xlt.core.stats.special import normal_cdf
from xlt.study.answer.difference import difference

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


# what varies most -> (standard deviation of a unit's effect, of a seed in a unit, of a seed in one
# group of languages), on the scale of the normal variable
FAMILIES = {
    "languages": (0.15, 0.05, 0.0),
    "seeds": (0.03, 0.1, 0.0),
    "seeds by group": (0.05, 0.05, 0.1),
    "nothing": (0.0, 0.02, 0.0),
}
UNITS = {"5 + 6": (5, 6), "6 + 12": (6, 12)}


def families_table(rng, seeds, units, noise, shift):
    """Hits of both settings (U, 2, K, G), which units come first, the true difference."""
    unit_sd, seed_sd, group_sd = noise
    first = np.arange(sum(units)) < units[0]
    unit = unit_sd * rng.normal(size=(len(first), 1)) + shift * first[:, None]
    group = group_sd * rng.normal(size=(2, seeds))[first.astype(int)]
    effect = unit + group
    items = CLUSTER * rng.normal(size=(1, CLUSTERS, 1))
    items = items + ITEM * rng.normal(size=(1, CLUSTERS, PER_CLUSTER))
    sides = []
    for arm in (1, 0):
        seed = seed_sd * rng.normal(size=(len(first), seeds)) + arm * effect
        latent = 0.3 + seed[:, :, None, None] + items[None]
        latent = latent + REST * rng.normal(size=(len(first), seeds, CLUSTERS, PER_CLUSTER))
        sides.append((latent > 0).sum(axis=-1))
    spread = math.sqrt(unit_sd**2 + seed_sd**2 + group_sd**2 + CLUSTER**2 + ITEM**2 + REST**2)
    truth = 100 * (normal_cdf((0.3 + shift) / spread) - normal_cdf(0.3 / spread))
    return np.stack(sides, axis=1), first, truth


def one_families_table(seeds, units, noise, number):
    """(covered, false positive, false positive of the exchange alone) of one table."""
    rng = np.random.default_rng([number, seeds, *UNITS[units], len(noise)])

    def judge(shift):
        hits, first, truth = families_table(rng, seeds, UNITS[units], FAMILIES[noise], shift)
        values = 100 * (hits[:, 0] - hits[:, 1]) / PER_CLUSTER
        sides = {"first": list(values[first]), "second": list(values[~first])}
        whole = values[first].mean(axis=0) - values[~first].mean(axis=0)
        effects = values.mean(axis=(1, 2))[None]
        return difference(sides, effects, first, whole), truth

    planted, truth = judge(0.15)
    null, _ = judge(0.0)
    low, high = planted.low, planted.high
    return low <= truth <= high, null.p <= 1 - LEVEL, null.exchanges.p <= 1 - LEVEL


def one_study(seeds, number):
    """Whether a study without any effect calls something sure after correction."""
    rng = np.random.default_rng([number, seeds, 7])
    p = []
    for _task in range(2):
        first, _ = seeds_table(rng, seeds, NOISE["seeds"], EFFECT * 0)
        second, _ = seeds_table(rng, seeds, NOISE["seeds"], EFFECT * 0)
        second[..., 2:] = first[..., 2:]  # one baseline for both arms
        for table in (first, second):
            values = np.array(
                [pseudo_values(table[:, :, lang], change) for lang in range(LANGUAGES)]
            )
            wanted = (*values, values.mean(axis=0))
            p += [effect_of_values(one, one.mean(axis=1)).p for one in wanted]
    return min(benjamini_hochberg(p)) <= 1 - LEVEL


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
        print("\n| noise | units | seeds | covered | false positives | by exchange alone |")
        print("|---|---|---:|---:|---:|---:|")
        for noise in FAMILIES:
            for units, seeds in (("5 + 6", 5), ("6 + 12", 5), ("5 + 6", 3)):
                one = partial(one_families_table, seeds, units, noise)
                tables = list(pool.map(one, numbers, chunksize=10))
                row = " | ".join(f"{share:.1f}" for share in 100 * np.mean(tables, axis=0))
                print(f"| {noise} | {units} | {seeds} | {row} |", flush=True)
        print("\n| studies of 24 findings without any effect | false positives |\n|---|---:|")
        for seeds in (3, 5, 10):
            tables = list(pool.map(partial(one_study, seeds), numbers, chunksize=10))
            print(f"| {seeds} seeds | {100 * np.mean(tables):.1f} |", flush=True)
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
