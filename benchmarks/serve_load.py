"""How fast `xlt serve` is, beside the bare model and beside infinity-emb, on the same cores.

    python benchmarks/serve_load.py --model BUNDLE --out serve_load.json
    python benchmarks/serve_load.py --model BUNDLE --peer VENV    # infinity-emb 0.0.78 in VENV
    python benchmarks/serve_load.py --model BUNDLE --soak 15      # minutes of random lengths

The server runs on one core and the load on another (Linux, two cores). Rounds are interleaved, so
that other work on the machine meets everybody alike. BUNDLE makes sentence embeddings.

Measured: sentences/s of 16 clients with one short sentence a request, against tokeniser and
session alone; CPU a request besides the model's; short requests among 10 % of the longest ones;
time from start to ready; memory beyond the model; growth over a soak.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

SERVER_CORE, CLIENT_CORE = 0, 1
CLIENTS = 16
LONG_SHARE = 0.1
WORDS = (
    "river house mill road winter garden letter stone window morning teacher engine market bridge "
    "island doctor silver paper kitchen forest harbour summer planet music number village basket"
).split()


def sentence(rng, n_words=None):
    return " ".join(rng.choices(WORDS, k=n_words or rng.randint(6, 12)))


def long_text(rng, tokens):
    return " ".join(rng.choices(WORDS, k=tokens))  # at least one token a word: it is cut


# a client that costs little: raw sockets, one request after the other


async def ask(reader, writer, path, body):
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n"
    writer.write(head.encode() + b"content-type: application/json\r\n\r\n" + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    status = int(answer.split(b" ", 2)[1])
    length = next(
        int(line.split(b":")[1])
        for line in answer.lower().split(b"\r\n")
        if line.startswith(b"content-length")
    )
    await reader.readexactly(length)
    return status


async def closed_loop(port, path, model, seconds, clients, texts, seed):
    """Latencies by kind ("short" or "long") of clients that ask without a pause."""
    times = {"short": [], "long": []}
    failed = 0
    end = time.monotonic() + seconds

    async def client(number):
        nonlocal failed
        rng = random.Random(seed * 1000 + number)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
        while time.monotonic() < end:
            kind, text = texts(rng)
            body = json.dumps({"model": model, "input": text}).encode()
            started = time.monotonic()
            status = await ask(reader, writer, path, body)
            if status == 200:
                times[kind].append(time.monotonic() - started)
            else:
                failed += 1
        writer.close()

    began = time.monotonic()
    await asyncio.gather(*(client(number) for number in range(clients)))
    return times, failed, time.monotonic() - began


def load(server, seconds, *, long_tokens=None, clients=CLIENTS, seed=0):
    def texts(rng):
        if long_tokens and rng.random() < LONG_SHARE:
            return "long", long_text(rng, long_tokens)
        return "short", sentence(rng)

    cpu = server.cpu_seconds()
    times, failed, took = asyncio.run(
        closed_loop(server.port, server.path, server.model, seconds, clients, texts, seed)
    )
    count = sum(map(len, times.values()))
    found = {
        "requests": count,
        "failed": failed,
        "per_second": count / took,
        "cpu_us_per_request": (server.cpu_seconds() - cpu) / max(count, 1) * 1e6,
    }
    for kind, values in times.items():
        if len(values) > 20:
            cuts = statistics.quantiles(values, n=100)
            found[f"{kind}_p50_ms"], found[f"{kind}_p99_ms"] = cuts[49] * 1e3, cuts[98] * 1e3
    return found


# servers


class Process:
    """A server on its core."""

    def __init__(self, command, *, port, path, model, env=None, cwd=None):
        self.port, self.path, self.model = port, path, model
        started = time.monotonic()
        self.child = subprocess.Popen(
            ["taskset", "-c", str(SERVER_CORE), *command],
            env={**os.environ, "OMP_NUM_THREADS": "1", **(env or {})},
            cwd=cwd,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        body = json.dumps({"model": model, "input": "warm"}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}{path}", body, {"content-type": "application/json"}
        )
        while True:
            if self.child.poll() is not None:
                raise SystemExit(f"the server ended with {self.child.returncode}: {command}")
            with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=60):
                break
            time.sleep(0.02)
        self.seconds_to_ready = time.monotonic() - started

    def _stat(self):
        return Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(")", 1)[1].split()

    def cpu_seconds(self):
        """CPU time used so far."""
        fields = self._stat()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mib(self):
        """Resident memory."""
        return int(self._stat()[21]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def open_files(self):
        """Open descriptors."""
        return sum(1 for _ in Path(f"/proc/{self.child.pid}/fd").iterdir())

    def stop(self):
        """End it, by force if need be."""
        self.child.terminate()
        try:
            self.child.wait(20)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def start_xlt(model, port):
    command = [sys.executable, "-m", "xlt", "-q", "serve", f"bench={model}", "--port", str(port)]
    command += ["--threads", "1", "--log-level", "warning"]
    return Process(command, port=port, path="/v1/embeddings", model="bench")


def start_infinity(venv, onnx_folder, port):
    """infinity-emb on the same weights; it wants a bare file name, so it runs in their folder."""
    command = [str(venv / "bin/infinity_emb"), "v2", "--model-id", ".", "--served-model-name"]
    command += ["bench", "--engine", "optimum", "--device", "cpu", "--pooling-method", "mean"]
    command += ["--onnx-disable-optimize", "--no-bettertransformer", "--no-compile"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    env = {
        "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "DO_NOT_TRACK": "1",
        "INFINITY_ANONYMOUS_USAGE_STATS": "0", "MKL_NUM_THREADS": "1",
    }  # fmt: skip
    return Process(command, port=port, path="/embeddings", model="bench", env=env, cwd=onnx_folder)


def raw_speed(model, seconds):
    """Sentences/s of tokeniser and session alone, one thread: the best of several batch sizes."""
    import xlt

    engine = xlt.open(model, threads=1)
    rng = random.Random(7)
    best = 0.0
    for size in (1, 2, 4, 8, 16, 32):
        count, end, started = 0, time.monotonic() + seconds / 6, time.monotonic()
        while time.monotonic() < end:
            rows = engine.encode([sentence(rng) for _ in range(size)])
            engine.run(rows)
            count += size
        best = max(best, count / (time.monotonic() - started))
    return best


def raw_process(model, seconds):
    """`raw_speed` in a process of its own on the server's core."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import serve_load, pathlib; "
    code += "print(serve_load.raw_speed(pathlib.Path(sys.argv[2]), float(sys.argv[3])))"
    command = ["taskset", "-c", str(SERVER_CORE), sys.executable, "-c", code]
    found = subprocess.run(
        [*command, str(Path(__file__).parent), str(model), str(seconds)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(found.stdout)


def compare(options, results):
    """Interleaved rounds: bare model, our server, the peer."""
    long_tokens = options.long_tokens
    xlt_server = start_xlt(options.model, options.port)
    results["xlt"] = {"seconds_to_ready": xlt_server.seconds_to_ready, "rounds": []}
    results["raw_per_second"] = []
    peer = (
        start_infinity(options.peer, options.peer_model, options.port + 1) if options.peer else None
    )
    if peer:
        results["peer"] = {"seconds_to_ready": peer.seconds_to_ready, "rounds": []}
    names = [("xlt", xlt_server)] + ([("peer", peer)] if peer else [])
    try:
        for number in range(options.rounds):
            results["raw_per_second"].append(raw_process(options.model, options.seconds))
            for name, server in names:
                found = {
                    "short": load(server, options.seconds, seed=number),
                    "mixed": load(server, options.seconds, long_tokens=long_tokens, seed=number),
                }
                results[name]["rounds"].append(found)
                print(name, number, json.dumps(found), file=sys.stderr)
        model_mib = sum(p.stat().st_size for p in (options.model / "onnx").iterdir()) / 2**20
        results["xlt"]["rss_mib_beyond_model"] = xlt_server.rss_mib() - model_mib
    finally:
        for _, server in names:
            server.stop()


def soak(options, results):
    """Random lengths for some minutes; memory and open files every 10 seconds."""
    server = start_xlt(options.model, options.port)
    samples = []

    def texts(rng):
        return "short", sentence(rng, rng.choice([1, 3, 8, 20, 60, 200, options.long_tokens]))

    try:
        end = time.monotonic() + options.soak * 60
        while time.monotonic() < end:
            _, failed, _ = asyncio.run(
                closed_loop(server.port, server.path, "bench", 10, CLIENTS, texts, len(samples))
            )
            samples.append(
                {"rss_mib": server.rss_mib(), "files": server.open_files(), "failed": failed}
            )
    finally:
        server.stop()
    results["soak"] = samples


def summary(results):
    """The figures that the claims are about, as medians over the rounds."""

    def median(name, kind, key):
        return statistics.median(r[kind][key] for r in results[name]["rounds"])

    raw = statistics.median(results["raw_per_second"])
    ours = median("xlt", "short", "per_second")
    lines = {
        "raw sentences/s": raw,
        "xlt requests/s": ours,
        "xlt share of raw": ours / raw,
        "server CPU us/request besides the model": median("xlt", "short", "cpu_us_per_request")
        - 1e6 / raw,
        "short p99 ms alone": median("xlt", "short", "short_p99_ms"),
        "short p99 ms among 10 % long": median("xlt", "mixed", "short_p99_ms"),
        "xlt mixed requests/s": median("xlt", "mixed", "per_second"),
        "seconds to ready": results["xlt"]["seconds_to_ready"],
        "MiB beyond the model": results["xlt"]["rss_mib_beyond_model"],
    }
    if "peer" in results:
        lines["times the peer, short"] = ours / median("peer", "short", "per_second")
        lines["times the peer, mixed"] = lines["xlt mixed requests/s"] / median(
            "peer", "mixed", "per_second"
        )
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="bundle of sentence embeddings")
    parser.add_argument("--peer", type=Path, help="virtual environment with infinity-emb")
    parser.add_argument("--peer-model", type=Path, help="the same weights, as optimum exports them")
    parser.add_argument("--seconds", type=float, default=10.0, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--long-tokens", type=int, default=512, help="words of a long text")
    parser.add_argument("--soak", type=float, default=0.0, help="minutes")
    parser.add_argument("--port", type=int, default=8471)
    parser.add_argument("--out", type=Path, help="JSON file for all figures")
    options = parser.parse_args()
    os.sched_setaffinity(0, {CLIENT_CORE})
    results = {"machine": os.uname().machine, "clients": CLIENTS, "seconds": options.seconds}
    if options.soak:
        soak(options, results)
    else:
        compare(options, results)
        results["summary"] = summary(results)
        for name, value in results["summary"].items():
            print(f"{name:42} {value:12.2f}")
    if options.out:
        options.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
