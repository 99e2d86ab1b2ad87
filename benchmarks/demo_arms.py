"""The whole path on the embedded benchmark for one seed: world, pretraining, targets, export, eval.

What `demo_floors.py` and `planted.py` share; the demo itself is a study (demo.yaml). Each step is
one `xlt` command, printed before it runs, and resumable, so that running it again continues.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xlt.core.errors import UsageError
from xlt.core.files import read_json, write_json
from xlt.study.steps import Step, run_lanes

__all__ = ["Demo", "check_settings", "plan", "run_steps"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """What to run.

    Attributes:
        out: folder of the demo; everything it makes lies below.
        size: of the world.
        seed: of the world and of all training.
        pretrain: parts of the compact encoder's pretraining, e.g. "svd,mlm,tlm".
        pretrain_steps: masked-LM updates; None for the trainer's default.
        threads: CPU threads of every step.
    """

    out: Path
    size: str = "small"
    seed: int = 1
    pretrain: str = "svd,mlm,tlm"
    pretrain_steps: int | None = None
    threads: int = 1

    def settings(self) -> dict[str, Any]:
        """What identifies the demo's results; another value needs another folder."""
        return {
            "size": self.size,
            "seed": self.seed,
            "pretrain": self.pretrain,
            "pretrain_steps": self.pretrain_steps,
            "threads": self.threads,
        }


def plan(demo: Demo) -> list[Step]:
    """The commands: world and pretraining, then the lanes of the targets and of their baseline."""
    out, world, base = demo.out, demo.out / "world", demo.out / "base"
    threads = ("--threads", str(demo.threads))
    common = ("--data", str(world), "--seed", str(demo.seed), "--resume", *threads)
    updates = ("--pretrain-steps", str(demo.pretrain_steps)) if demo.pretrain_steps else ()
    size = ("--size", demo.size, "--seed", str(demo.seed))
    steps = [
        Step(name="world", arguments=("world", "--out", str(world), *size), done=world),
        Step(
            name="pretraining",
            arguments=(
                "train", "--model", "compact", "--pretrain", demo.pretrain, *updates,
                "--target", "none", "--out", str(base), *common,
            ),
        ),
    ]  # fmt: skip
    arm = "direct"
    train = ("train", "--model", str(base), "--target", "all", "--out")
    steps += [
        Step(name=f"{arm}: train", lane=arm, arguments=(*train, str(out / arm), *common)),
        Step(name=f"{arm}: export", lane=arm, arguments=("export", str(out / arm), *threads)),
        _evaluation(demo, arm, ()),
    ]
    static = (
        "export", str(base / "encoder"), "--task", "tatoeba", "--layer", "0",
        "--out", str(out / "static"), "--force", *threads,
    )  # fmt: skip
    bundle = out / "static" / "xlt.json"
    steps += [
        Step(name="static: export", lane="static", arguments=static, done=bundle),
        _evaluation(demo, "static", ("--tasks", "tatoeba,bucc2018")),
    ]
    return steps


def _evaluation(demo: Demo, arm: str, tasks: tuple[str, ...]) -> Step:
    arguments = (
        "eval", str(demo.out / arm), *tasks, "--langs", "all", "--data", str(demo.out / "world"),
        "--out", str(demo.out / "results" / arm), "--threads", str(demo.threads),
    )  # fmt: skip
    return Step(name=f"{arm}: eval", lane=arm, arguments=arguments)


def run_steps(demo: Demo, steps: Sequence[Step]) -> dict[str, float]:
    """Run some of the demo's steps; what is done already is kept."""
    check_settings(demo)
    measured = demo.out / "measured.json"
    seconds: dict[str, float] = read_json(measured)["seconds"] if measured.is_file() else {}

    def finished(step: Step, spent: float) -> None:
        # A step that only found its work done must not hide how long the work took.
        seconds[step.name] = max(spent, seconds.get(step.name, 0.0))
        write_json(measured, {"schema": 1, "seconds": seconds, "cores": os.cpu_count()})

    run_lanes(steps, finished)
    return {step.name: seconds[step.name] for step in steps if step.name in seconds}


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
