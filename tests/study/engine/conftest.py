"""Studies whose stages are a stand-in for `xlt` that takes no time."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from xlt.study.engine.local import Slots, run_local
from xlt.study.engine.run import run_study
from xlt.study.engine.store import Store
from xlt.study.file.read import read_study
from xlt.study.plan.expand import make_plan

PROGRAM = (sys.executable, str(Path(__file__).with_name("fake_xlt.py")))
FILE = """\
study: 1
question: Does it help?
estimand: {kind: effect, arm: mnli, baseline: none, tasks: [xnli]}
base: {model: compact, steps: 9}
arms:
  none: {}
  mnli: {intermediate: [mnli]}
axes:
  targets: [xnli, udpos]
  seeds: {intermediate: 2}
scales:
  demo: {world: tiny}
"""


class Bench:
    """A folder with a study, a store and a log of what was started."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.log = folder, folder / "log"
        self.env = {"FAKE_LOG": str(self.log)}
        monkeypatch.setenv("FAKE_LOG", str(self.log))
        self.monkeypatch = monkeypatch

    def set(self, **env):
        for name, value in env.items():
            self.monkeypatch.setenv(name, str(value))

    def plan(self, text=FILE):
        path = self.folder / "one.yaml"
        path.write_text(text)
        return make_plan(read_study(path, "demo"), None, None)

    def store(self):
        return Store(self.folder / "store")

    def run(self, out="out", text=FILE, jobs=2):
        slots = Slots(jobs=jobs, threads=1, program=PROGRAM)
        plan, store = self.plan(text), self.store()
        return run_study(plan, self.folder / out, store, lambda found: run_local(found, slots))

    def start(self, out="out", **env):
        """The same in a process of its own."""
        code = (
            "import sys; sys.path.insert(0, sys.argv[1])\n"
            "from pathlib import Path\n"
            "from conftest import Bench\n"
            "class Env:\n"
            "    def setenv(self, *_): pass\n"
            "Bench(Path(sys.argv[2]), Env()).run(sys.argv[3])\n"
        )
        self.plan()
        return subprocess.Popen(
            [sys.executable, "-c", code, str(Path(__file__).parent), str(self.folder), out],
            env={**os.environ, **{name: str(value) for name, value in env.items()}},
            stderr=subprocess.PIPE,
            text=True,
        )

    def counts(self, word="start"):
        lines = self.log.read_text().splitlines() if self.log.is_file() else []
        return Counter(line.split()[1] for line in lines if line.startswith(f"{word} "))


@pytest.fixture
def bench(tmp_path, monkeypatch):
    return Bench(tmp_path, monkeypatch)
