"""How large and how fast the variants of a bundle are, on the machine that exports it."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.core.artifacts.bundle import INT8
from xlt.core.inference.batch import plan
from xlt.core.inference.session import Session

__all__ = ["cpu_name", "measure"]

Feeds = Mapping[str, NDArray[Any]]
ROUNDS = 3
BUDGET = 512
MOST = 64  # inputs of the timing


def measure(
    folder: Path, variants: Mapping[str, Mapping[str, Any]], feeds: Sequence[Feeds], pad_id: int
) -> dict[str, Any]:
    """Sizes, sentences a second and latency of each variant, on one CPU thread.

    Args:
        folder: the bundle.
        variants: as the manifest lists them.
        feeds: inputs of one row, without padding; the shortest 64 are timed.
        pad_id: fills up what is shorter than its batch.
    """
    chosen = sorted(feeds, key=lambda one: one["input_ids"].shape[-1])[:MOST]
    widths = [one["input_ids"].shape[-1] for one in chosen]
    batches = [_stack([chosen[i] for i in group], pad_id) for group in _groups(chosen)]
    return {
        "cpu": cpu_name(),
        "onnxruntime": metadata.version("onnxruntime") if _has("onnxruntime") else "gpu wheel",
        "threads": 1,
        "texts": len(chosen),
        "mean_tokens": round(float(np.mean(widths)), 1),
        "variants": {
            name: _one(folder, name, variant, batches, chosen[len(chosen) // 2])
            for name, variant in variants.items()
        },
    }


def _one(
    folder: Path, name: str, variant: Mapping[str, Any], batches: Sequence[Feeds], middle: Feeds
) -> dict[str, Any]:
    start = time.perf_counter()
    session = Session(folder / variant["file"], device="cpu", threads=1, int8=name in INT8)
    load = time.perf_counter() - start
    rows = sum(len(batch["input_ids"]) for batch in batches)
    outputs = session.outputs[:1]
    spent, single = [], []
    for _ in range(ROUNDS):
        start = time.thread_time()
        for batch in batches:
            session.run(batch, outputs)
        spent.append(time.thread_time() - start)
        start = time.thread_time()
        session.run(middle, outputs)
        single.append(time.thread_time() - start)
    return {
        "bytes": sum((folder / part).stat().st_size for part in variant["files"]),
        "load_seconds": round(load, 3),
        "texts_per_cpu_second": round(rows / max(min(spent), 1e-9), 1),
        "latency_milliseconds": round(1000 * statistics.median(single), 2),
    }


def _groups(feeds: Sequence[Feeds]) -> list[list[int]]:
    """Batches as the engine makes them; rows with other numbers of choices lie apart."""
    kinds: dict[tuple[int, ...], list[int]] = {}
    for place, one in enumerate(feeds):
        kinds.setdefault(one["input_ids"].shape[1:-1], []).append(place)
    return [
        [places[i] for i in batch]
        for shape, places in sorted(kinds.items())
        for batch in plan(
            [feeds[place]["input_ids"].shape[-1] for place in places],
            max_tokens=BUDGET,
            rows_per_item=int(np.prod(shape, dtype=int)),
        )
    ]


def _stack(feeds: Sequence[Feeds], pad_id: int) -> Feeds:
    width = max(one["input_ids"].shape[-1] for one in feeds)
    found = {}
    for name in feeds[0]:
        fill = pad_id if name == "input_ids" else 0
        found[name] = np.concatenate(
            [
                np.pad(
                    one[name],
                    [(0, 0)] * (one[name].ndim - 1) + [(0, width - one[name].shape[-1])],
                    constant_values=fill,
                )
                for one in feeds
            ]
        )
    return found


def _has(package: str) -> bool:
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def cpu_name() -> str:
    """What the processor calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    found = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return found[0] if found else platform.machine()
