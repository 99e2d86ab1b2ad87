"""The whole path on the embedded benchmark: world, pretraining, two arms, export, eval, report.

A driver of the other verbs: each step is one `xlt` command, printed before it runs, and each is
resumable, so running the demo again continues or reuses what is there.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xlt.errors import Interrupted, UsageError, XltError
from xlt.files import read_json, write_json
from xlt.show import note

__all__ = ["ARMS", "Demo", "Step", "plan", "run", "run_steps"]

ARMS = ("direct", "intermediate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """What to run.

    Attributes:
        out: folder of the demo; everything it makes lies below.
        size: of the world.
        seed: of the world and of all training.
        pretrain: parts of the compact encoder's pretraining, e.g. "svd,mlm,tlm".
        pretrain_steps: masked-LM updates; None for the trainer's default.
        intermediate: the intermediate task of the second arm.
        threads: CPU threads of every step; None for all.
    """

    out: Path
    size: str = "small"
    seed: int = 1
    pretrain: str = "svd,mlm,tlm"
    pretrain_steps: int | None = None
    intermediate: str = "mnli"
    threads: int | None = None

    def settings(self) -> dict[str, Any]:
        """What identifies the demo's results; another value needs another folder."""
        return {
            "size": self.size,
            "seed": self.seed,
            "pretrain": self.pretrain,
            "pretrain_steps": self.pretrain_steps,
            "intermediate": self.intermediate,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command of the demo; `done` exists once it need not run again."""

    name: str
    arguments: tuple[str, ...]
    done: Path | None = None


def plan(demo: Demo) -> list[Step]:
    """The demo's commands in order."""
    out = demo.out
    world, base = out / "world", out / "base"
    common = ["--data", str(world), "--seed", str(demo.seed), "--resume"]
    if demo.threads:
        common += ["--threads", str(demo.threads)]
    threads = common[common.index("--threads") :] if demo.threads else []
    steps_flag = ["--pretrain-steps", str(demo.pretrain_steps)] if demo.pretrain_steps else []
    steps = [
        Step(
            name="world",
            arguments=(
                "world", "--out", str(world), "--size", demo.size, "--seed", str(demo.seed),
            ),
            done=world,
        ),
        Step(
            name="pretraining",
            arguments=(
                "train", "--model", "compact", "--pretrain", demo.pretrain, *steps_flag,
                "--target", "none", "--out", str(base), *common,
            ),
        ),
        Step(
            name="static embeddings",
            arguments=(
                "export", str(base / "encoder"), "--task", "tatoeba", "--layer", "0",
                "--out", str(out / "static"), "--data", str(world), "--force",
            ),
            done=out / "static" / "xlt.json",
        ),
    ]  # fmt: skip
    for arm in ARMS:
        phases = ["--intermediate", demo.intermediate] if arm == "intermediate" else []
        steps += [
            Step(
                name=f"{arm}: train",
                arguments=(
                    "train", "--model", str(base), *phases, "--target", "all",
                    "--out", str(out / arm), *common,
                ),
            ),
            Step(name=f"{arm}: export", arguments=("export", str(out / arm), *threads)),
        ]  # fmt: skip
    for arm in ("static", *ARMS):
        tasks = ["--tasks", "tatoeba,bucc2018"] if arm == "static" else []
        steps.append(
            Step(
                name=f"{arm}: eval",
                arguments=(
                    "eval", str(out / arm), *tasks, "--langs", "all", "--data", str(world),
                    "--out", str(out / "results" / arm), *threads,
                ),
            )
        )  # fmt: skip
    return steps


def run(demo: Demo) -> dict[str, float]:
    """Run every step; returns the seconds of each that ran in this call.

    Raises:
        UsageError: the folder holds a demo with other settings.
        XltError: a step failed; the class and exit code are the step's.
    """
    return run_steps(demo, plan(demo))


def run_steps(demo: Demo, steps: Sequence[Step]) -> dict[str, float]:
    """Run some of the demo's steps, in order; what is done already is kept."""
    check_settings(demo)
    measured = demo.out / "measured.json"
    seconds: dict[str, float] = read_json(measured)["seconds"] if measured.is_file() else {}
    for number, step in enumerate(steps, 1):
        if step.done is not None and step.done.exists():
            note(f"[{number}/{len(steps)}] {step.name}: kept")
            continue
        note(f"[{number}/{len(steps)}] {step.name}\n$ xlt {shlex.join(step.arguments)}")
        started = time.monotonic()
        start_verb(step.name, step.arguments)
        spent = time.monotonic() - started
        # A step that only found its work done must not hide how long the work took.
        seconds[step.name] = max(spent, seconds.get(step.name, 0.0))
        write_json(measured, {"schema": 1, "seconds": seconds, "cores": os.cpu_count()})
    return seconds


def check_settings(demo: Demo) -> None:
    """Refuse to mix two demos in one folder."""
    path = demo.out / "demo.json"
    wanted = demo.settings()
    if path.is_file():
        found = read_json(path)
        different = [key for key in wanted if found.get(key) != wanted[key]]
        if different:
            raise UsageError(
                f"{demo.out} holds a demo with "
                + ", ".join(f"{key} {found.get(key)!r}" for key in different),
                "choose another --out, or give the same options to continue it",
            )
        return
    if demo.out.is_dir() and any(demo.out.iterdir()):
        raise UsageError(f"--out {demo.out} is not empty and holds no demo", "choose another --out")
    write_json(path, wanted)


def start_verb(name: str, arguments: Sequence[str]) -> None:
    """Run one `xlt` verb as a process of its own, its talk on our stderr."""
    command = [sys.executable, "-m", "xlt", *arguments]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        code = child.wait()
    except BaseException:
        child.send_signal(signal.SIGINT)
        child.wait()
        raise
    if code == 130:
        raise Interrupted("interrupted", "run the same command again to continue")
    if code:
        fault = XltError(
            f"the step {name!r} ended with exit code {code} (its message is above)",
            f"mend it, then run the same command again; alone: xlt {shlex.join(arguments)}",
        )
        fault.exit_code = code
        raise fault


def load_results(out: Path) -> dict[str, dict[str, Any]]:
    """The results of every arm, `static` included."""
    return {
        arm: json.loads((out / "results" / arm / "results.json").read_text(encoding="utf-8"))
        for arm in ("static", *ARMS)
    }
