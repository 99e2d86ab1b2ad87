"""Exact neighbours in both directions: ours beside two FAISS flat searches, one thread.

    python benchmarks/retrieval.py [--sizes 20000 100000] [--widths 384 768] [--sample ROWS]
        [--json FILE]

CPU seconds, in turns; sgemm is numpy's own product of the same matrices in this run. FAISS is left
out where it is not installed. Where the two name different neighbours, float64 decides: products
that lie closer than float32 can tell are a tie, anything else is an error and exit 1. Memory is the
peak of all arrays of a search, without its vectors.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from speed import heading, table

from xlt.core.files import read_json, write_json
from xlt.core.retrieval.knn import COLUMNS, ROWS, nearest_both

K = 4
MOST_MIB = 1024  # above the vectors
Vectors = NDArray[np.float32]


def vectors(n: int, width: int) -> tuple[Vectors, Vectors]:
    """Two sides whose rows lie in clusters, each row's partner among its cluster."""
    rng = np.random.default_rng(n + width)
    centres = rng.standard_normal((max(1, n // 20), width), np.float32)
    x_ND = centres[rng.integers(len(centres), size=n)]
    x_ND += rng.standard_normal((n, width), np.float32)
    y_ND = x_ND + np.float32(0.5) * rng.standard_normal((n, width), np.float32)
    for side in (x_ND, y_ND):
        side /= np.linalg.norm(side, axis=1, keepdims=True)
    return x_ND, y_ND[rng.permutation(n)]


def gemm(x_ND: Vectors, y_ND: Vectors) -> None:
    """All products in our blocks, and nothing else."""
    out = np.empty((ROWS, COLUMNS), np.float32)
    for row in range(0, len(x_ND), ROWS):
        x_BD = x_ND[row : row + ROWS]
        for column in range(0, len(y_ND), COLUMNS):
            y_CD = y_ND[column : column + COLUMNS]
            np.matmul(x_BD, y_CD.T, out=out[: len(x_BD), : len(y_CD)])


def flat(x_ND: Vectors, y_ND: Vectors, rows: int) -> list[Any]:
    """FAISS: the neighbours of the first rows of each side in the other side."""
    import faiss

    faiss.omp_set_num_threads(1)
    found = []
    for queries, base in ((x_ND, y_ND), (y_ND, x_ND)):
        index = faiss.IndexFlatIP(base.shape[1])
        index.add(base)
        found.append(index.search(queries[:rows], K)[1])
    return found


def spent(run: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    found = run()
    return time.process_time() - start, found


def traced(run: Callable[[], Any]) -> tuple[float, Any, float]:
    """As `spent`, and the peak MiB of what was allocated meanwhile: numpy tells of every array."""
    tracemalloc.start()
    try:
        seconds, found = spent(run)
        return seconds, found, tracemalloc.get_traced_memory()[1] / (1 << 20)
    finally:
        tracemalloc.stop()


def judge(
    query_ND: Vectors, base_ND: Vectors, ours_NK: NDArray[Any], other_NK: NDArray[Any]
) -> tuple[int, int]:
    """Places where two answers differ: ties within float32's rounding, and errors.

    The k-th neighbours are equally good where their float64 products differ by no more than what
    adding D float32 products of unit vectors in some order can round away. Errors are also
    neighbours named twice.
    """
    rows = np.flatnonzero((ours_NK != other_NK).any(axis=1))
    slack = 4 * float(np.finfo(np.float32).eps) * query_ND.shape[1] ** 0.5
    tied = wrong = 0
    for row in rows:
        query_D = query_ND[row].astype(np.float64)
        mine_K, its_K = (
            base_ND[names[row]].astype(np.float64) @ query_D for names in (ours_NK, other_NK)
        )
        differ_K = ours_NK[row] != other_NK[row]
        close_K = np.abs(mine_K - its_K) <= slack
        if len(set(ours_NK[row].tolist())) < ours_NK.shape[1]:
            close_K[:] = False
        tied += int((differ_K & close_K).sum())
        wrong += int((differ_K & ~close_K).sum())
    return tied, wrong


def compare(
    x_ND: Vectors, y_ND: Vectors, options: argparse.Namespace, have: bool
) -> tuple[list[str], bool, dict[str, Any]]:
    """One row of the table; whether the neighbours are FAISS's and memory is within the bound."""
    n, width = x_ND.shape
    sample = min(options.sample or n, n)
    runs: dict[str, Callable[[], Any]] = {
        "gemm": lambda: gemm(x_ND[:sample], y_ND),
        "ours": lambda: nearest_both(x_ND, y_ND, K),
    }
    if have:
        runs["faiss"] = lambda: flat(x_ND, y_ND, sample)
    best = dict.fromkeys(runs, float("inf"))
    answers: dict[str, Any] = {}
    peak = 0.0
    for turn in range(options.rounds):
        for name, run in runs.items():
            if name == "ours" and not turn:
                seconds, answers[name], peak = traced(run)
            else:
                seconds, answers[name] = spent(run)
            best[name] = min(best[name], seconds * (1 if name == "ours" else n / sample))
    tied = wrong = 0
    if have:
        sides = ((x_ND, y_ND), (y_ND, x_ND))
        for side, one, other in zip(sides, answers["ours"], answers["faiss"], strict=True):
            found = judge(*side, one[1][:sample], other)
            tied, wrong = tied + found[0], wrong + found[1]
    verdict = f"{wrong} differ" if wrong else "identical"
    if tied:
        verdict += f", {tied} of {2 * K * sample:,} tied in float32"
    if sample < n:
        verdict += f" ({sample:,} rows a side)"
    row = [
        f"{n:,} x {n:,}, d {width}",
        f"{best['ours']:.2f}",
        f"{best['gemm'] / best['ours']:.2f}",
        f"{best['faiss'] / best['ours']:.2f}" if have else "-",
        verdict if have else "-",
        f"{peak:.0f}",
    ]
    print(" ".join(row), file=sys.stderr, flush=True)
    record = {
        "seconds": best["ours"],
        "gemm_seconds": best["gemm"],
        "faiss_seconds": best.get("faiss"),
        "flop": 2.0 * n * n * width,
        "peak_mib": peak,
        "load": os.getloadavg()[0],
    }
    return row, not wrong and peak <= MOST_MIB, record


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--widths", type=int, nargs="+", default=[384, 768])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", type=Path, help="kept there under `retrieval`")
    parser.add_argument(
        "--sample", type=int, help="rows a side of sgemm and FAISS; their times are scaled up"
    )
    options = parser.parse_args()
    try:
        import faiss  # noqa: F401

        have = True
    except ImportError:
        have = False
    print(heading() + "\n")
    found, records = [], {}
    for n in options.sizes:
        for width in options.widths:
            row, good, record = compare(*vectors(n, width), options, have)
            found.append((row, good))
            records[f"{n}/{width}"] = record
    head = ["", "CPU s", "share of sgemm", "FAISS / ours", "neighbours", "MiB above vectors"]
    print(table(head, [row for row, _ in found]))
    if options.json is not None:
        kept = read_json(options.json) if options.json.is_file() else {"schema": 1, "runs": {}}
        write_json(options.json, {**kept, "retrieval": kept.get("retrieval", {}) | records})
    return 0 if all(good for _, good in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
