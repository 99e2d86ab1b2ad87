"""Does `xlt serve` grow? A quarter of an hour of random lengths, leavers and bad requests.

    python benchmarks/serve_soak.py [--minutes 15] [--model BUNDLE] [--check]

Memory and open files are read every few seconds; the slope is fitted over what comes after the
warm-up, in which ONNX Runtime's arena grows to the largest batch of those it will see.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import load
import numpy as np
from load import Running

MIB = 1 << 20
MOST_WORDS = 500
MOST_ITEMS = 24
BAD = [b"", b"{", b"[" * 2000, b'{"input": "a\xff"}', b'{"input": ["a", 1]}', b'{"inputs": "a"}']


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="an encoder bundle [default: MiniLM]")
    parser.add_argument("--minutes", type=float, default=15, help="[%(default)s]")
    parser.add_argument("--warm-up", type=float, default=5, help="minutes [%(default)s]")
    parser.add_argument("--clients", type=int, default=12, help="[%(default)s]")
    parser.add_argument("--server-cpus", type=load.cores, default="0", help="[%(default)s]")
    parser.add_argument("--client-cpus", type=load.cores, default="1", help="[%(default)s]")
    parser.add_argument("--work", type=Path, default=load.ROOT / "build" / "bench")
    parser.add_argument("--check", action="store_true", help="exit 5 when it grows")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    bundle = (options.model or load.minilm(options.work)).resolve()
    os.sched_setaffinity(0, options.client_cpus)
    server = load.start_ours([f"model={bundle}"], cpus=options.server_cpus)
    try:
        statuses, samples = asyncio.run(soak(server, options))
    finally:
        code = server.stop()
    times, rss, files = (np.array(column, float) for column in zip(*samples, strict=True))
    late = times >= 60 * min(options.warm_up, options.minutes / 2)
    result = {
        "minutes": options.minutes,
        "statuses": dict(sorted(statuses.items())),
        "rss_mib": {"first": rss[late][0] / MIB, "last": rss[-1] / MIB, "most": rss.max() / MIB},
        "rss_mib_by_minute": [
            round(float(rss[times >= 60 * minute][0]) / MIB, 1)
            for minute in range(int(times[-1] // 60) + 1)
        ],
        "rss_mib_per_10_minutes": slope(times[late], rss[late]) * 600 / MIB,
        "open_files": {"first": int(files[late][0]), "last": int(files[-1])},
        "open_files_per_10_minutes": slope(times[late], files[late]) * 600,
        "exit_code": code,
    }
    print(json.dumps(result, indent=1))
    unexpected = set(statuses) - {"200", "400", "left"}
    grows = result["rss_mib_per_10_minutes"] > 1 or result["open_files_per_10_minutes"] > 1
    return 5 if options.check and (grows or unexpected or code != 0) else 0


async def soak(
    server: Running, options: argparse.Namespace
) -> tuple[dict[str, int], list[tuple[float, int, int]]]:
    """Load until the time is over; (how requests ended, samples of seconds, bytes, files)."""
    statuses: dict[str, int] = {}
    samples: list[tuple[float, int, int]] = []
    started = time.monotonic()
    deadline = started + 60 * options.minutes
    parts = urlsplit(server.url)

    async def client(seed: int) -> None:
        rng = random.Random(seed)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        while time.monotonic() < deadline:
            data = load.post("/v1/embeddings", body_of(rng), parts.netloc)
            fate = rng.random()
            if fate < 0.02:  # leaves before the answer
                writer.write(data)
                await writer.drain()
                await asyncio.sleep(rng.random() * 0.05)
                writer.close()
                reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
                statuses["left"] = statuses.get("left", 0) + 1
                continue
            if fate < 0.04:
                data = load.post("/v1/embeddings", rng.choice(BAD), parts.netloc)
            status, _ = await load.exchange(reader, writer, data)
            statuses[str(status)] = statuses.get(str(status), 0) + 1
        writer.close()

    async def watch() -> None:
        pause = min(5.0, 6 * options.minutes)
        while time.monotonic() < deadline:
            samples.append((time.monotonic() - started, server.rss(), server.open_files()))
            await asyncio.sleep(pause)

    await asyncio.gather(watch(), *(client(seed) for seed in range(options.clients)))
    return statuses, samples


def body_of(rng: random.Random) -> bytes:
    """One request: mostly few short texts, now and then many or long ones."""
    n_items = min(MOST_ITEMS, int(rng.paretovariate(1.2)))
    longest = MOST_WORDS if rng.random() < 0.1 else 30
    texts = [" ".join(rng.choices(load.WORDS, k=rng.randint(1, longest))) for _ in range(n_items)]
    return json.dumps({"input": texts, "encoding_format": rng.choice(["base64", "float"])}).encode()


def slope(times: np.ndarray, values: np.ndarray) -> float:
    """Of the line that fits best, per second; 0 for fewer than three samples."""
    return float(np.polyfit(times, values, 1)[0]) if len(times) > 2 else 0.0


if __name__ == "__main__":
    sys.exit(main())
