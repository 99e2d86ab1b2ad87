"""`xlt serve` under three times the load it can carry, for half a minute.

    python benchmarks/serve_overload.py [--seconds 30] [--times 3] [--check]

Requests come at a constant rate, whether or not earlier ones are answered (an open loop), and
latencies count from the moment at which a request was due. Before it, clients in a closed loop
find the most that the server can do; beside it, somebody asks whether the process lives.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import load
from load import MIB, Running
from serve_load import claim, show_claims

QUEUE_SECONDS = 1.0
SETTLE_SECONDS = 3.0


@dataclass
class Flood:
    """What came back."""

    latencies: dict[int, list[float]] = field(default_factory=dict)  # status -> seconds
    live: list[float] = field(default_factory=list)
    lost: int = 0
    bare: int = 0  # refusals that do not say when to come back

    def count(self) -> dict[int, int]:
        """Answers by status."""
        return {status: len(values) for status, values in sorted(self.latencies.items())}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="an encoder bundle [default: MiniLM]")
    parser.add_argument("--seconds", type=float, default=30, help="[%(default)s]")
    parser.add_argument(
        "--times", type=float, default=3, help="of the most it can do [%(default)s]"
    )
    parser.add_argument("--server-cpus", type=load.cores, default="0", help="[%(default)s]")
    parser.add_argument("--client-cpus", type=load.cores, default="1", help="[%(default)s]")
    parser.add_argument("--work", type=Path, default=load.ROOT / "build" / "bench")
    parser.add_argument("--check", action="store_true", help="exit 5 when a claim does not hold")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    bundle = (options.model or load.minilm(options.work)).resolve()
    os.sched_setaffinity(0, options.client_cpus)
    flags = ["--queue-seconds", str(QUEUE_SECONDS)]
    server = load.start_ours([f"model={bundle}"], cpus=options.server_cpus, flags=flags)
    try:
        result = asyncio.run(measure(server, options))
    finally:
        code = server.stop()
    result["claims"]["exit code after the flood"] = claim(float(code), most=0)
    print(json.dumps(result["figures"], indent=1))
    show_claims(result["claims"])
    failed = [name for name, each in result["claims"].items() if not each["holds"]]
    return 5 if options.check and failed else 0


async def measure(server: Running, options: argparse.Namespace) -> dict[str, dict]:
    """Peak, flood, and what is left of it."""
    peak = await load.closed_loop(
        server, clients=64, seconds=min(10.0, options.seconds),
        source=load.texts(2, long_share=0), model="model",
    )  # fmt: skip
    rate = options.times * peak.per_second
    await flood(server, rate=rate, seconds=min(5.0, options.seconds), seed=1)  # as a warm-up
    await asyncio.sleep(SETTLE_SECONDS)
    rss, files, counted = server.rss(), server.open_files(), answered(server)
    found = await flood(server, rate=rate, seconds=options.seconds, seed=3)
    await asyncio.sleep(SETTLE_SECONDS)
    after = answered(server)
    theirs = {status: n - counted.get(status, 0) for status, n in after.items()}
    ours, refused = found.count(), sorted(set(found.latencies) - {200})
    refusals = [seconds for status in refused for seconds in found.latencies[status]] or [0.0]
    accepted = found.latencies.get(200, [0.0])
    goodput = ours.get(200, 0) / options.seconds
    figures = {
        "peak, requests/s": peak.per_second, "offered": rate, "goodput": goodput,
        "statuses": ours, "refusal p50 ms": 1000 * load.percentile(refusals, 0.5),
        "refusal max ms": 1000 * max(refusals),
        "accepted p50 ms": 1000 * load.percentile(accepted, 0.5),
        "rss MiB before and after": [rss / MIB, server.rss() / MIB],
    }  # fmt: skip
    claims = {
        "answers other than 200, 429 and 503": claim(
            float(sum(n for status, n in ours.items() if status not in (200, 429, 503))), most=0
        ),
        "requests without an answer": claim(float(found.lost), most=0),
        "refusals without Retry-After and retry-after-ms": claim(float(found.bare), most=0),
        "answers that the server's counters do not have": claim(
            float(sum(abs(theirs.get(s, 0) - ours.get(s, 0)) for s in {*theirs, *ours})), most=0
        ),
        "goodput over peak": claim(goodput / peak.per_second, least=0.9),
        "refusal p99, ms": claim(1000 * load.percentile(refusals, 0.99), most=50),
        "accepted p99, s (queue and two batches)": claim(
            load.percentile(accepted, 0.99), most=QUEUE_SECONDS + 0.1
        ),
        "live p99, ms": claim(1000 * load.percentile(found.live, 0.99), most=100),
        "memory kept, MiB": claim((server.rss() - rss) / MIB, most=10),
        "open files kept": claim(float(server.open_files() - files), most=0),
    }
    return {"figures": figures, "claims": claims}


async def flood(server: Running, *, rate: float, seconds: float, seed: int) -> Flood:
    """Requests at a constant rate, each on an idle connection or a new one."""
    parts = urlsplit(server.url)
    found, idle = Flood(), []
    source = load.texts(seed, long_share=0)

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(parts.hostname, parts.port)

    async def ask(due: float) -> None:
        body = {"model": "model", "input": [next(source)[1]], "encoding_format": "base64"}
        data = load.post(server.route, json.dumps(body).encode(), parts.netloc)
        reader, writer = idle.pop() if idle else await connect()
        try:
            head, _ = await load.answer(reader, writer, data)
        except (OSError, asyncio.IncompleteReadError):
            found.lost += 1
            return
        status = int(head[9:12])
        found.latencies.setdefault(status, []).append(time.perf_counter() - due)
        lower = head.lower()
        if status != 200 and not (b"retry-after: " in lower and b"retry-after-ms: " in lower):
            found.bare += 1
        if b"connection: close" in lower:
            writer.close()
        else:
            idle.append((reader, writer))

    async def probe() -> None:
        reader, writer = await connect()
        data = f"GET /health/live HTTP/1.1\r\nhost: {parts.netloc}\r\n\r\n".encode()
        try:
            while True:
                started = time.perf_counter()
                await load.answer(reader, writer, data)
                found.live.append(time.perf_counter() - started)
                await asyncio.sleep(0.05)
        finally:
            writer.close()

    probing = asyncio.create_task(probe())
    started, asked = time.perf_counter(), []
    for number in range(round(rate * seconds)):
        due = started + number / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        asked.append(asyncio.create_task(ask(due)))
    await asyncio.gather(*asked)
    probing.cancel()
    await asyncio.gather(probing, return_exceptions=True)
    for _, writer in idle:
        writer.close()
    return found


def answered(server: Running) -> Counter[int]:
    """Answers by status, as the server counts them."""
    found: Counter[int] = Counter()
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as reply:
        for line in reply.read().decode().splitlines():
            if line.startswith("xlt_requests_total") and f'route="{server.route}"' in line:
                status = line.partition('status="')[2].partition('"')[0]
                found[int(status)] += round(float(line.split()[-1]))
    return found


if __name__ == "__main__":
    sys.exit(main())
