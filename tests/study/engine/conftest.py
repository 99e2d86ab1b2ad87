"""Studies whose stages are a stand-in for `xlt` that takes no time."""

import json
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

FAKE = str(Path(__file__).with_name("fake_xlt.py"))
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

    def __init__(self, folder, **settings):
        self.folder, self.log = folder, folder / "log"
        self.settings = {"log": str(self.log), "seconds": 0, "fail": "", **settings}

    text = FILE

    def set(self, **settings):
        self.settings |= settings

    @property
    def program(self):
        return (sys.executable, FAKE, json.dumps(self.settings))

    def plan(self, text=FILE):
        path = self.folder / "one.yaml"
        path.write_text(text)
        return make_plan(read_study(path, "demo"), None, None)

    def store(self):
        return Store(self.folder / "store")

    def run(self, out="out", text=FILE, jobs=2, **more):
        slots = Slots(jobs=jobs, threads=1, program=self.program)
        plan, store = self.plan(text), self.store()
        return run_study(
            plan, self.folder / out, store, lambda found: run_local(found, slots), **more
        )

    def start(self, out="out", **settings):
        """The same in a process of its own."""
        code = (
            "import json, sys; sys.path.insert(0, sys.argv[1])\n"
            "from pathlib import Path\n"
            "from conftest import Bench\n"
            "Bench(Path(sys.argv[2]), **json.loads(sys.argv[4])).run(sys.argv[3])\n"
        )
        self.plan()
        here, given = str(Path(__file__).parent), json.dumps(settings)
        return subprocess.Popen(
            [sys.executable, "-c", code, here, str(self.folder), out, given],
            stderr=subprocess.PIPE,
            text=True,
        )

    def counts(self, word="start"):
        lines = self.log.read_text().splitlines() if self.log.is_file() else []
        return Counter(line.split()[1] for line in lines if line.startswith(f"{word} "))


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)
