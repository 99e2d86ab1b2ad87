"""Speed of `xlt serve`: against the bare model on the same cores, and against another server.

    python benchmarks/serve_load.py                 ours and the bare model
    python benchmarks/serve_load.py --peer VENV     and infinity-emb 0.0.78

The other server gets the same ONNX weights, length cut and cores, once as it comes, with a compute
thread for every core of the machine, and once with as many as it may use, which takes a patch. Both
ratios are printed, the claims are held against the better setting. The clients run on cores of
their own; rounds are interleaved, so that other work on the machine meets everybody alike, and
medians are compared. It wants an old transformers, so it has an environment of its own:

    python3 -m venv VENV
    VENV/bin/pip install torch "infinity-emb[server,optimum,torch]==0.0.78"
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import shutil
import statistics
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import load
import numpy as np
from load import MIB, Measured, Running
from serve_beside import RawModel, null_bundle, start_infinity

SCENARIOS = {"short": 0.0, "mixed": 0.1}  # share of long texts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="an encoder bundle [default: MiniLM]")
    parser.add_argument("--peer", type=Path, metavar="VENV", help="environment with infinity-emb")
    parser.add_argument("--max-length", type=int, default=512,
                        help="tokens that both servers read of a text [%(default)s]")  # fmt: skip
    parser.add_argument("--seconds", type=float, default=20, help="of one stretch [%(default)s]")
    parser.add_argument("--rounds", type=int, default=3, help="[%(default)s]")
    parser.add_argument("--clients", type=int, default=16, help="[%(default)s]")
    parser.add_argument("--server-cpus", type=load.cores, default="0", help="[%(default)s]")
    parser.add_argument("--client-cpus", type=load.cores, default="1", help="[%(default)s]")
    parser.add_argument("--work", type=Path, default=load.ROOT / "build" / "bench")
    parser.add_argument("--out", type=Path, help="JSON file for all figures")
    parser.add_argument("--check", action="store_true", help="exit 5 when a claim does not hold")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    source = (options.model or load.minilm(options.work)).resolve()
    bundle = with_length(source, options.max_length, options.work)
    os.sched_setaffinity(0, options.client_cpus)

    ours = load.start_ours([f"model={bundle}"], cpus=options.server_cpus)
    null = load.start_ours([f"model={null_bundle(bundle, options.work)}"], cpus=options.server_cpus)
    servers = [ours]
    if options.peer:
        servers += [
            start_infinity(options.peer, bundle, work=options.work, cpus=options.server_cpus,
                           limited=limited)
            for limited in (False, True)
        ]  # fmt: skip
    raw = RawModel(bundle, options.server_cpus, options.clients)
    try:
        for peer in servers[1:]:
            check_same_vectors(ours, peer)
        idle = idle_share(ours)
        found = run_rounds(servers, null, raw, options)
        result = report(found, ours, servers, bundle, options, idle)
    finally:
        raw.stop()
        for server in [*servers, null]:
            server.stop()
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")
    show(result)
    failed = [name for name, claim in result["claims"].items() if not claim["holds"]]
    return 5 if options.check and failed else 0


def with_length(source: Path, max_length: int, work: Path) -> Path:
    """A copy of a bundle that reads so many tokens of a text."""
    bundle = work / f"{source.name}-{max_length}"
    shutil.rmtree(bundle, ignore_errors=True)
    shutil.copytree(source, bundle)
    manifest = json.loads((bundle / "xlt.json").read_text())
    (bundle / "xlt.json").write_text(json.dumps({**manifest, "max_length": max_length}))
    return bundle


def run_rounds(
    servers: list[Running], null: Running, raw: RawModel, options: argparse.Namespace
) -> dict[str, list[Any]]:
    """One measurement a round of each server and kind of load, by name; servers take turns."""
    found: dict[str, list[Any]] = {}
    for number in range(-1, options.rounds):
        seconds = options.seconds if number >= 0 else min(3.0, options.seconds)  # warm-up
        for scenario, long_share in SCENARIOS.items():
            turn = servers[number % len(servers) :] + servers[: number % len(servers)]
            for server in turn:
                source = load.texts(1000 * number + len(scenario), long_share=long_share)
                measured = asyncio.run(
                    load.closed_loop(server, clients=options.clients, seconds=seconds,
                                     source=source, model="model")
                )  # fmt: skip
                used = measured.cpu_seconds / measured.seconds
                if used > 1.1 * len(options.server_cpus):
                    sys.exit(f"{server.name} used {used:.2f} cores, more than it was given")
                note(found, f"{server.name} {scenario}", measured, number)
        source = load.texts(1000 * number, long_share=1)
        measured = asyncio.run(
            load.closed_loop(servers[0], clients=options.clients, seconds=seconds, source=source,
                             model="model")
        )  # fmt: skip
        note(found, "xlt long", measured, number)
        source = load.texts(1000 * number, long_share=0)
        measured = asyncio.run(
            load.closed_loop(null, clients=options.clients, seconds=seconds / 2, source=source,
                             model="model")
        )  # fmt: skip
        note(found, "null short", measured, number)
        note(found, "raw short", raw.run(seconds), number)
        if number >= 0:
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    return found


def note(found: dict[str, list[Any]], name: str, measured: Any, number: int) -> None:
    """Keep a measurement, unless it was the warm-up; any answer but 200 ends the benchmark."""
    if isinstance(measured, Measured) and set(measured.statuses) != {200}:
        sys.exit(f"{name}: statuses {measured.statuses}")
    if number >= 0:
        found.setdefault(name, []).append(measured)


def report(
    found: dict[str, list[Any]],
    ours: Running,
    servers: list[Running],
    bundle: Path,
    options: argparse.Namespace,
    idle: float,
) -> dict[str, Any]:
    """All figures, and the claims they are held against."""
    figures: dict[str, dict[str, float]] = {}
    for name, rounds in found.items():
        if name.startswith("raw"):
            figures[name] = {key: median([r[key] for r in rounds]) for key in rounds[0]}
            continue
        row = {
            "requests_per_second": median([r.per_second for r in rounds]),
            "cpu_us_per_request": median([r.cpu_us for r in rounds]),
        }
        for kind in ("short", "long"):
            values = [r.latencies[kind] for r in rounds if r.latencies[kind]]
            if values:
                row[f"{kind}_p50_ms"] = 1000 * median([load.percentile(v, 0.50) for v in values])
                row[f"{kind}_p99_ms"] = 1000 * median([load.percentile(v, 0.99) for v in values])
        figures[name] = row
    model_bytes = sum(path.stat().st_size for path in (bundle / "onnx").rglob("*model.onnx*"))
    padding = padding_ratio(ours)
    short, mixed = figures["xlt short"], figures["xlt mixed"]
    raw = figures["raw short"]
    claims = {
        "share of the bare model's speed": claim(
            short["requests_per_second"] / raw["texts_per_second"], least=0.85
        ),
        "the same by CPU time": claim(
            raw["cpu_us_per_text"] / short["cpu_us_per_request"], least=0.85
        ),
        "server overhead, us of CPU a request": claim(
            figures["null short"]["cpu_us_per_request"] - raw["tokenize_us"], most=250
        ),
        "p99 of short texts among long ones over p99 of short texts alone": claim(
            mixed["short_p99_ms"] / short["short_p99_ms"], most=3
        ),
        "p99 of long texts among short ones over p99 of long texts alone": claim(
            mixed["long_p99_ms"] / figures["xlt long"]["long_p99_ms"], most=5
        ),
        "padded tokens over tokens": claim(padding, most=1.3),
        "start to ready, seconds": claim(ours.ready_seconds, most=3),
        "memory above the model, MiB": claim((ours.peak_rss() - model_bytes) / MIB, most=250),
        "idle, share of a core": claim(idle, most=0.01),
    }
    if "infinity mixed" in figures:
        for scenario, least in (("short", 1.3), ("mixed", 3.5)):
            ours_rate = figures[f"xlt {scenario}"]["requests_per_second"]
            over = {
                setting: ours_rate / figures[f"{setting} {scenario}"]["requests_per_second"]
                for setting in ("infinity", "infinity, limited")
            }
            for setting, ratio in over.items():
                figures[f"xlt {scenario}"][f"over {setting}"] = ratio
            name = f"requests/s over infinity's better setting, {scenario} texts"
            claims[name] = claim(min(over.values()), least=least)
    return {
        "figures": figures,
        "claims": claims,
        "ready_seconds": {server.name: server.ready_seconds for server in servers},
        "peak_mib": {server.name: server.peak_rss() / MIB for server in servers},
        "model_mib": model_bytes / MIB,
        "settings": {
            "clients": options.clients, "seconds": options.seconds, "rounds": options.rounds,
            "max_length": options.max_length,
            "server_cpus": sorted(options.server_cpus), "client_cpus": sorted(options.client_cpus),
            "cpu": cpu_name(), "load_average": os.getloadavg()[0],
        },
    }  # fmt: skip


def claim(value: float, *, least: float | None = None, most: float | None = None) -> dict[str, Any]:
    """A figure and the bound it is held against."""
    holds = value >= least if least is not None else most is not None and value <= most
    return {"value": value, "least": least, "most": most, "holds": holds}


def show(result: dict[str, Any]) -> None:
    """The tables for people."""
    for name, row in result["figures"].items():
        print(f"{name:24}", "  ".join(f"{key} {value:.4g}" for key, value in row.items()))
    show_claims(result["claims"])
    for key in ("ready_seconds", "peak_mib"):
        print(key, {name: round(value, 2) for name, value in result[key].items()})
    print(f"model_mib {result['model_mib']:.1f}", result["settings"])


def show_claims(claims: dict[str, dict[str, Any]]) -> None:
    """A line each, with the bound."""
    for name, claimed in claims.items():
        sign, bound = (">=", claimed["least"]) if claimed["least"] else ("<=", claimed["most"])
        state = "holds" if claimed["holds"] else "MISSED"
        print(f"{state:7} {name}: {claimed['value']:.3g} ({sign} {bound:g})")


def check_same_vectors(first: Running, second: Running) -> None:
    """Both servers must do the same work: equal vectors for short and for cut texts."""
    source = load.texts(7, long_share=0.5)
    for _ in range(8):
        _, text = next(source)
        vectors = [embed_one(server, text) for server in (first, second)]
        cosine = float(vectors[0] @ vectors[1] / np.prod([np.linalg.norm(v) for v in vectors]))
        if cosine < 0.9999:
            sys.exit(f"the servers disagree (cosine {cosine:.5f}) on a text of {len(text)} letters")


def embed_one(server: Running, text: str) -> np.ndarray:
    body = json.dumps({"model": "model", "input": [text], "encoding_format": "base64"}).encode()
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(server.url + server.route, body, headers)
    with urllib.request.urlopen(request, timeout=60) as reply:
        value = json.load(reply)["data"][0]["embedding"]
    return np.frombuffer(base64.b64decode(value), "<f4")


def padding_ratio(server: Running) -> float:
    """Padded tokens over tokens, from the server's own counters."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as reply:
        lines = reply.read().decode().splitlines()
    sums = {name: sum(float(line.split()[-1]) for line in lines if line.startswith(name + "{"))
            for name in ("xlt_padded_tokens_total", "xlt_tokens_total")}  # fmt: skip
    return sums["xlt_padded_tokens_total"] / sums["xlt_tokens_total"]


def idle_share(server: Running, seconds: float = 3.0) -> float:
    before = server.cpu_seconds()
    time.sleep(seconds)
    return (server.cpu_seconds() - before) / seconds


def median(values: list[float]) -> float:
    return float(statistics.median(values))


def cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"


if __name__ == "__main__":
    sys.exit(main())
