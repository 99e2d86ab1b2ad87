"""The list of `benchmarks/planted_faults.py` still fits the code, and it judges as it says."""

import importlib.util
import os
import subprocess
import sys
from dataclasses import replace

import pytest


@pytest.fixture(scope="module")
def bench(project, request):
    path = project / "benchmarks" / "planted_faults.py"
    spec = importlib.util.spec_from_file_location("planted_faults", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look there
    request.addfinalizer(lambda: sys.modules.pop(spec.name))
    spec.loader.exec_module(module)
    return module


def test_every_fault_can_still_be_planted(bench, project):
    faults = bench.read_faults()
    assert bench.stale(faults, project) == []
    assert len(faults) >= 30
    assert len({fault.name for fault in faults}) == len(faults)
    assert sum(fault.must for fault in faults) >= 5
    areas = {fault.name.partition(":")[0] for fault in faults}
    assert areas == {"train", "export", "eval", "retrieval", "serve", "study"}


def test_a_fault_that_the_code_has_outgrown_is_told(bench, project):
    fault = bench.read_faults()[0]
    twice = replace(fault, old="import", name="twice")
    gone = replace(fault, old="no such line", name="gone")
    lost = replace(fault, file="src/xlt/none.py", name="lost")
    untested = replace(fault, tests=("tests/none",), name="untested")
    broken = replace(fault, new=")", name="broken")
    told = bench.stale([twice, gone, lost, untested, broken], project)
    assert len(told) == 5
    for name, line in zip(["twice", "gone", "lost", "untested"], told, strict=False):
        assert line.startswith(f"{name}:")


def test_what_may_survive(bench, capsys):
    faults = [replace(bench.read_faults()[0], name=str(n), must=n == 0) for n in range(21)]
    excused = [replace(fault, survives="cannot be seen") for fault in faults]
    bench.judge(faults, [])
    bench.judge(excused, excused[1:3])
    for survivors in (excused[:1], faults[1:2], excused[1:4]):
        with pytest.raises(SystemExit) as end:
            bench.judge(excused, survivors)
        assert end.value.code == 1
    assert "NO REASON" in capsys.readouterr().out


DRIVER = """
import sys
from pathlib import Path
import planted_faults as bench
bench.LOADED = ()
one = dict(name="one", file="src/one.py", old="return 1", tests=("test_one.py",))
for new in ("return 2", "return 1.0"):
    print(bench.survives(bench.Fault(new=new, **one), Path(sys.argv[1])))
"""


@pytest.mark.slow
def test_a_planted_fault_is_noticed_and_mended(project, tmp_path):
    """In a tree of one module and one test."""
    module, sound = tmp_path / "src" / "one.py", "def one():\n    return 1\n"
    module.parent.mkdir()
    module.write_text(sound)
    test = "import one\n\n\ndef test_one():\n    assert one.one() == 1\n"
    (tmp_path / "test_one.py").write_text(test)
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(tmp_path)], check=False, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(project / "benchmarks")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, noticed, second, survived = done.stdout.splitlines()
    assert first.startswith("noticed") and first.endswith("test_one.py::test_one")
    assert second.startswith("SURVIVES") and (noticed, survived) == ("False", "True")
    assert module.read_text() == sound
