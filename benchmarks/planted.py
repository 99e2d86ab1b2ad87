"""Do the world's planted effects come out with the sizes they were planted with?

Trains PAWS-X from the demo's encoder in two ways:

- on a planted label set in place of its own training data. The sizes are known: what agrees with
  the true labels reaches some accuracy a, their opposite 100 - a, shuffled labels and a cue that is
  independent of them 50;
- on 500 examples of its own after a planted set as intermediate task. The skill, and its opposite
  under another head, must help; shuffled labels must not.

    python benchmarks/planted.py [--out build/planted] [--seed 1] [--size small]

Exit code 5 when an effect is not there. Resumable. Takes about ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

from xlt.study.demo import Demo, plan, run_steps
from xlt.study.steps import Step

SETS = ("skill", "null", "harm", "inverted")
FEW = 500
CAREFUL = ("--lr", "3e-4", "--epochs", "5")  # as the compact encoder trains PAWS-X


def trainings(demo: Demo) -> list[Step]:
    """One step for each training; two lanes."""
    world, base = demo.out / "world", demo.out / "base"
    common = ("--data", str(world), "--seed", str(demo.seed), "--threads", "1", "--resume")
    few = ("--train-split", f"pawsx={demo.out / 'few.tsv'}")
    jobs: list[tuple[str, tuple[str, ...]]] = [("few-none", few)]
    for name in SETS:
        folder = world / "planted"
        jobs += [
            (f"data-{name}", ("--train-split", f"pawsx={folder / name / 'train.tsv'}")),
            (f"few-{name}", (*few, "--task-file", str(folder / f"{name}.yaml"),
                             "--intermediate", f"planted-{name}")),
        ]  # fmt: skip
    return [
        Step(
            name=name,
            lane="ab"[number % 2],
            arguments=("train", "--model", str(base), *extra, "--target", "pawsx", *CAREFUL,
                       "--out", str(demo.out / name), *common),
        )
        for number, (name, extra) in enumerate(jobs)
    ]  # fmt: skip


def accuracy(run: Path) -> float:
    """On PAWS-X's English dev set, whose labels are true."""
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    return float(record["targets"]["pawsx"]["dev"]["accuracy"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("build/planted"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", default="small")
    arguments = parser.parse_args()
    demo = Demo(out=arguments.out, seed=arguments.seed, size=arguments.size)
    run_steps(demo, plan(demo)[:2])
    few, own = demo.out / "few.tsv", next((demo.out / "world" / "pawsx").glob("train*en*"))
    lines = own.read_text(encoding="utf-8").splitlines(keepends=True)
    few.write_text("".join(lines[:FEW]), encoding="utf-8")
    run_steps(demo, trainings(demo))
    dev = sum(
        1 for _ in next((demo.out / "world" / "pawsx").glob("dev*en*")).open(encoding="utf-8")
    )
    noise = 300 / math.sqrt(4 * dev)  # three standard errors of a rate near 50 %
    data = {name: accuracy(demo.out / f"data-{name}") for name in SETS}
    after = {name: accuracy(demo.out / f"few-{name}") for name in ("none", *SETS)}
    rows = [
        ("as data: skill", data["skill"], "well above 50", data["skill"] > 50 + 2 * noise),
        ("as data: inverted", data["inverted"], f"100 - skill = {100 - data['skill']:.1f}",
         abs(data["inverted"] + data["skill"] - 100) < noise),
        ("as data: null", data["null"], "50", abs(data["null"] - 50) < noise),
        ("as data: harm", data["harm"], "50", abs(data["harm"] - 50) < noise),
        (f"{FEW} examples after nothing", after["none"], "", True),
        (f"{FEW} examples after skill", after["skill"], "above nothing",
         after["skill"] > after["none"] + noise),
        (f"{FEW} examples after null", after["null"], "as nothing",
         after["null"] < after["none"] + noise),
        (f"{FEW} examples after harm", after["harm"], "not above skill",
         after["harm"] < after["skill"]),
        (f"{FEW} examples after inverted", after["inverted"], "above nothing",
         after["inverted"] > after["none"] + noise),
    ]  # fmt: skip
    print(f"PAWS-X, English dev, {dev} pairs; three standard errors: {noise:.1f}")
    for name, value, planted, holds in rows:
        print(f"{name:34} {value:5.1f}  {planted:24} {'' if holds else 'NOT SEEN'}".rstrip())
    return 0 if all(holds for *_, holds in rows) else 5


if __name__ == "__main__":
    sys.exit(main())
