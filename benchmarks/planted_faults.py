"""Would the tests notice? Plants faults one at a time, and runs the tests near each.

    python benchmarks/planted_faults.py [--only TEXT] [--check] [--no-baseline]

The faults are those of `planted_faults.toml`. Each is planted in a copy of the tree, the tests
near it run there until one fails, and the copy is mended. Before that these tests must pass
without any fault. Exit 1 when a fault that must be noticed survives, or more than one in ten of
the others, or one without a reason. `--check` only says whether every fault can still be planted.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import shutil
import sys
import tempfile
import time
import tomllib
import traceback
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LIST = Path(__file__).with_suffix(".toml")
LEFT_OUT = (".git", ".venv", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", "xlt-*")
SAID = "said.txt"
# What starts no thread, which a fork would not take along: onnxruntime does.
LOADED = ("torch", "transformers")
LATE = "ignore::pytest.PytestAssertRewriteWarning"  # plugins that these have loaded already
SHARE = 0.1  # of the faults that need not be noticed, with a reason each


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One change of one file; `survives` is the reason why no test has to notice it."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    must: bool = False
    survives: str = ""


def read_faults() -> list[Fault]:
    """The faults of the list beside this file."""
    entries = tomllib.loads(LIST.read_text(encoding="utf-8"))["fault"]
    return [Fault(**{**one, "tests": tuple(one["tests"])}) for one in entries]


def planted(fault: Fault, root: Path) -> str:
    """The text of its file with the fault in it.

    Raises:
        ValueError: it cannot be planted any more; says why.
    """
    path = root / fault.file
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    count = text.count(fault.old)
    if count != 1:
        raise ValueError(f"{fault.name}: {fault.file} has {count} of {fault.old!r}, 1 is needed")
    absent = [name for name in fault.tests if not (root / name).exists()]
    if absent:
        raise ValueError(f"{fault.name}: no {', '.join(absent)}")
    changed = text.replace(fault.old, fault.new)
    compile(changed, fault.file, "exec")
    return changed


def stale(faults: list[Fault], root: Path = ROOT) -> list[str]:
    """What is wrong with the list as the tree is now."""
    wrong = []
    for fault in faults:
        try:
            planted(fault, root)
        except (ValueError, SyntaxError) as error:
            wrong.append(str(error))
    return wrong


def run_tests(tests: list[str], copy: Path) -> int:
    """pytest's exit status in the copy, up to the first failure; it runs in a fork of this one.

    What others wrote is loaded before the fork, which takes longer than most tests; nothing of
    xlt is.
    """
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_DATASETS_OFFLINE="1")
    for name in LOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    assert "xlt" not in sys.modules, "the fork would test the tree, not the copy"
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 70
        try:
            code = _child(tests, copy)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code not in (0, 1):
        sys.exit(f"pytest ended with {code}:\n{(copy / SAID).read_text()[-5000:]}")
    return code


def _child(tests: list[str], copy: Path) -> int:
    os.chdir(copy)
    with open(SAID, "w") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    os.environ.update(PYTHONPATH=str(copy / "src"), PYTHONDONTWRITEBYTECODE="1")
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(copy / "src"))
    code = int(pytest.main(["-q", "-x", "-W", LATE, "-p", "no:cacheprovider", *tests]))
    sys.stdout.flush()
    return code


def main() -> None:
    """Plant, test, mend; print a line a fault and what it comes to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", default="", help="faults whose name begins so")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--no-baseline", action="store_true")
    args = parser.parse_args()
    faults = [fault for fault in read_faults() if fault.name.startswith(args.only)]
    wrong = stale(faults)
    if wrong:
        sys.exit("\n".join(wrong))
    if args.check:
        print(f"{len(faults)} faults can be planted")
        return
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "tree"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)
        if not args.no_baseline:
            every = sorted({test for fault in faults for test in fault.tests})
            if run_tests(every, copy):
                sys.exit("without any fault:\n" + (copy / SAID).read_text()[-3000:])
        survivors = [fault for fault in faults if survives(fault, copy)]
    judge(faults, survivors)


def survives(fault: Fault, copy: Path) -> bool:
    """Whether the tests near it pass with it."""
    path, begun = copy / fault.file, time.monotonic()
    sound = path.read_text(encoding="utf-8")
    path.write_text(planted(fault, copy), encoding="utf-8")
    try:
        passed = run_tests(list(fault.tests), copy) == 0
    finally:
        path.write_text(sound, encoding="utf-8")
    by = "" if passed else _first_failed((copy / SAID).read_text())
    verdict = "SURVIVES" if passed else "noticed"
    print(f"{verdict:9}{fault.name} [{time.monotonic() - begun:.0f} s] {by}", flush=True)
    return passed


def _first_failed(report: str) -> str:
    summary = report.rpartition("short test summary")[2].splitlines()
    lines = [line for line in summary if line.startswith(("FAILED ", "ERROR "))]
    return lines[0].split()[1].rpartition("/")[2] if lines else ""


def judge(faults: list[Fault], survivors: list[Fault]) -> None:
    """Print the sum, and exit 1 when too much survives."""
    others = [fault for fault in faults if not fault.must]
    free = [fault for fault in survivors if not fault.must]
    print(f"{len(faults) - len(survivors)} of {len(faults)} faults noticed")
    for fault in survivors:
        print(f"survives: {fault.name}: {fault.survives or 'NO REASON'}")
    unexcused = [fault for fault in survivors if fault.must or not fault.survives]
    if unexcused or len(free) > SHARE * len(others):
        sys.exit(1)


if __name__ == "__main__":
    main()
