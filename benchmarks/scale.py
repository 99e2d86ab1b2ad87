"""What a million sentences cost on a core and on a Ray cluster, from measured rates.

    python benchmarks/scale.py [--measured benchmarks/speed.json] [--nodes 1 4 16 64] [--cores 16]
        [--network 1.25e9] [--price CENTS] [--measure-driver]

Nothing here runs on a cluster: this is arithmetic on what `eval_speed.py`, `retrieval.py` and
`start.py` left in the JSON file, and on the head's seconds for a task, which `--measure-driver`
measures with Ray on this machine. docs/scale.md shows the output.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speed import table

from xlt.core.files import read_json, write_json

MILLION = 1_000_000
TASK = 512  # texts a task of `--engine ray` embeds
TEXT_BYTES = 60  # of a short text on its way to a worker
WIDTHS = {"e5": 384, "minilm": 384, "base": 768}
FORMS = ("ours fp32", "ours int8", "ours cut int8")


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """What a cluster is made of.

    Attributes:
        cores: of a node; each is a worker of one thread.
        network: bytes a second into the head.
        start: seconds until a worker is ready.
        driver: seconds of the head for a task.
    """

    cores: int
    network: float
    start: float
    driver: float


def hours_on_a_core(rate: float) -> float:
    """Core-hours of a million texts at `rate` texts a second."""
    return MILLION / rate / 3600


def seconds_on(nodes: int, rate: float, width: int, cluster: Cluster) -> tuple[float, str]:
    """Seconds for a million texts, and what bounds them.

    Tasks are whole: the last round of them may leave workers idle. The head hands out tasks and
    takes in vectors one after the other, while workers compute.
    """
    tasks = math.ceil(MILLION / TASK)
    workers = nodes * cluster.cores
    bounds = {
        "computing": math.ceil(tasks / workers) * TASK / rate,
        "the head": tasks * cluster.driver,
        "the network": MILLION * (4 * width + TEXT_BYTES) / cluster.network,
    }
    slowest = max(bounds, key=bounds.__getitem__)
    return cluster.start + bounds[slowest], slowest


def stops_at(rate: float, width: int, cluster: Cluster) -> tuple[int, str]:
    """Workers beyond which more of them change nothing, and why."""
    tasks = math.ceil(MILLION / TASK)
    of_task = TASK / rate
    limits = {
        "the head": of_task / cluster.driver,
        "the network": of_task * cluster.network / (TASK * (4 * width + TEXT_BYTES)),
        "tasks": float(tasks),
    }
    first = min(limits, key=limits.__getitem__)
    return int(limits[first]), first


def search_seconds(n: int, width: int, flop_a_second: float) -> float:
    """Exact search in both directions between two sides of n vectors, one pass, one core."""
    return 2.0 * n * n * width / flop_a_second


def as_long_as_embedding(rate: float, width: int, flop_a_second: float) -> float:
    """Texts a side at which exact search takes as long as embedding both sides, on one core."""
    return flop_a_second / (width * rate)


def rates(measured: Mapping[str, Any]) -> Iterator[tuple[str, str, float, float]]:
    """(model, form, short texts a second, windows a second) of one core; NaN: not measured."""
    for model in WIDTHS:
        for form in FORMS:
            found = []
            for workload in ("short", "windows"):
                run = measured["runs"].get(f"{model}/{workload}/1")
                one = run["results"].get(form) if run else None
                found.append(run["texts"] / one["cpu_seconds"] if run and one else math.nan)
            if not all(map(math.isnan, found)):
                yield model, form, found[0], found[1]


def measure_driver(width: int = 384, tasks: int = 200) -> float:
    """CPU seconds of the head for one task that takes 512 texts and gives 512 vectors."""
    import numpy as np

    from xlt.core.inference.cluster import connected, ray

    texts = ["x" * TEXT_BYTES] * TASK
    with connected(None, 1):

        @ray.remote
        def answer(given: list[str]) -> Any:
            return np.zeros((len(given), width), np.float32)

        ray.get([answer.remote(texts) for _ in range(20)])
        best = math.inf
        for _ in range(3):
            start = time.process_time()
            waiting = [answer.remote(texts) for _ in range(tasks)]
            while waiting:
                (ready,), waiting = ray.wait(waiting, num_returns=1)
                np.array(ray.get(ready))
            best = min(best, (time.process_time() - start) / tasks)
    return best


def number(value: float, digits: int = 0) -> str:
    return "-" if math.isnan(value) else f"{value:,.{digits}f}"


def report(measured: Mapping[str, Any], options: argparse.Namespace) -> str:
    """The three tables."""
    found = list(rates(measured))
    money = f"{options.price:g} cents a core-hour" if options.price else ""
    rows = []
    for model, form, short, long in found:
        row = [f"{model}, {form.removeprefix('ours ')}", number(short), number(long, 1)]
        row += [number(hours_on_a_core(one), 2) for one in (short, long)]
        if money:
            row.append(number(hours_on_a_core(short) * options.price, 1))
        rows.append(row)
    head = ["", "short texts/s", "windows/s", "core-hours, a million short", "a million windows"]
    parts = [table(head + (["cents, a million short"] if money else []), rows)]
    driver = measured.get("driver", {}).get("cpu_seconds")
    start = measured.get("start", {}).get("fp32", {}).get("later", {}).get("cpu")
    if driver and start:
        cluster = Cluster(cores=options.cores, network=options.network, start=start, driver=driver)
        rows = []
        for model, form, short, _ in found:
            if math.isnan(short):
                continue
            row = [f"{model}, {form.removeprefix('ours ')}"]
            for nodes in options.nodes:
                seconds, why = seconds_on(nodes, short, WIDTHS[model], cluster)
                row.append(f"{seconds:,.0f}" + ("" if why == "computing" else f" ({why})"))
            workers, why = stops_at(short, WIDTHS[model], cluster)
            rows.append([*row, f"{workers:,} ({why})"])
        head = ["", *(f"{n} {'node' if n == 1 else 'nodes'}, s" for n in options.nodes),
                "workers that still help"]  # fmt: skip
        parts.append(table(head, rows))
    rows = []
    for name, one in sorted(measured.get("retrieval", {}).items(), key=lambda x: x[0]):
        size, width = map(int, name.split("/"))
        speed = one["flop"] / one["seconds"]
        models = [(m, f, r) for m, f, r, _ in found if WIDTHS[m] == width and f != FORMS[2]]
        rows.append(
            [
                f"d {width}, measured with {size:,} a side",
                f"{speed / 1e9:.0f}",
                *(
                    f"{search_seconds(n, width, speed) / 60:,.1f}"
                    for n in (100_000, MILLION, 10 * MILLION)
                ),
                "; ".join(
                    f"{m} {f.removeprefix('ours ')} {as_long_as_embedding(r, width, speed):,.0f}"
                    for m, f, r in models
                    if not math.isnan(r)
                )
                or "-",
            ]
        )
    if rows:
        head = ["", "GFLOP/s", "100,000 a side, min", "1,000,000", "10,000,000",
                "texts a side at which search takes as long as embedding"]  # fmt: skip
        parts.append(table(head, rows))
    return "\n\n".join(parts)


def main() -> int:
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measured", type=Path, default=here / "speed.json")
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--cores", type=int, default=16, help="of a node")
    parser.add_argument("--network", type=float, default=1.25e9, help="bytes a second")
    parser.add_argument("--price", type=float, help="cents of a core-hour")
    parser.add_argument("--measure-driver", action="store_true")
    options = parser.parse_args()
    measured = read_json(options.measured)
    if options.measure_driver:
        measured["driver"] = {"cpu_seconds": measure_driver(), "texts": TASK}
        write_json(options.measured, measured)
        print(f"{measured['driver']['cpu_seconds'] * 1000:.2f} ms a task", file=sys.stderr)
    print(report(measured, options))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
