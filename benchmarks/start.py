"""How long a bundle takes until it is ready: a new process, from its start to an open engine.

    python benchmarks/start.py --bundle BUNDLE [--precision fp32] [--rounds 5] [--json FILE]

The first use hashes every file; later ones take the hashes from the user's cache, which is an
empty one here (`XLT_CACHE` in a folder of its own). The best of rounds: wall seconds, CPU seconds
of the process, and those of its main thread, which imports, and loads the tokenizer while another
thread loads the session. On a busy machine the wall says little; what the process would take
alone lies between the main thread's seconds and all of them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from speed import heading, table

from xlt.core.artifacts.bundle import Bundle
from xlt.core.files import read_json, write_json

REQUIRED, GOAL = 1.6, 1.0
CHILD = """
import sys, time
from xlt.core.inference.engine import Engine
engine = Engine.open(sys.argv[1], precision=sys.argv[2], device="cpu")
print(time.time() - float(sys.argv[3]), time.process_time(), time.thread_time())
"""


def start(bundle: Path, precision: str, cache: Path) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and the main thread's of one start."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(bundle), precision, str(time.time())],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"XLT_CACHE": str(cache)},
    )
    wall, cpu, main = map(float, done.stdout.split())
    return wall, cpu, main


def measure(bundle: Path, precision: str, rounds: int) -> dict[str, Any]:
    """The first use, and the best of the later ones."""
    opened = Bundle.open(bundle, precision=precision, verify=False)
    size = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())
    with tempfile.TemporaryDirectory() as cache:
        first = start(bundle, precision, Path(cache))
        later = [start(bundle, precision, Path(cache)) for _ in range(rounds)]
    return {
        "graph_bytes": opened.onnx_path.stat().st_size,
        "bundle_bytes": size,
        "first": dict(zip(("wall", "cpu", "main"), first, strict=True)),
        "later": {
            kind: min(one[place] for one in later)
            for place, kind in enumerate(("wall", "cpu", "main"))
        },
        "load": os.getloadavg()[0],
        "cores": len(os.sched_getaffinity(0)),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--precision", nargs="+", default=["fp32"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="kept there under `start`")
    parser.add_argument("--check", action="store_true", help="exit 1 above the required seconds")
    options = parser.parse_args()
    print(heading() + "\n")
    found = {one: measure(options.bundle, one, options.rounds) for one in options.precision}
    rows = [
        [
            f"{name}, {use}",
            f"{one['graph_bytes'] / 1e6:.0f}",
            *(f"{one[key][kind]:.2f}" for kind in ("wall", "cpu", "main")),
        ]
        for name, one in found.items()
        for key, use in (("first", "first use"), ("later", "second use"))
    ]
    print(table(["", "MB of the graph", "wall s", "CPU s", "CPU s, main thread"], rows))
    wall = found[options.precision[0]]["later"]["wall"]
    for what, bound in (("required", REQUIRED), ("goal", GOAL)):
        verdict = "reached" if wall <= bound else f"missed by {wall - bound:.2f}"
        print(f"second use, {what} {bound} s: {verdict}")
    if options.json is not None:
        kept = read_json(options.json) if options.json.is_file() else {"schema": 1, "runs": {}}
        write_json(options.json, {**kept, "start": found})
    return 0 if wall <= REQUIRED or not options.check else 1


if __name__ == "__main__":
    raise SystemExit(main())
