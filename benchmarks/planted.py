"""Do the world's planted effects come out with the sizes they were planted with?

Trains PAWS-X from the demo's encoder in two ways:

- on a planted label set in place of its own training data. The sizes are known: what agrees with
  the true labels reaches some accuracy a, their opposite 100 - a, shuffled labels and a cue that is
  independent of them 50;
- on 500 examples of its own after a planted set as intermediate task. The skill, and its opposite
  under another head, must help; shuffled labels must not.

A small encoder learns this task with some seeds only. Where nothing was learnt, nothing can be
said: the next seed is tried, three at most. The control of a training has the same seed.

    python benchmarks/planted.py [--out build/planted] [--seed 1] [--size small]

Exit code 5 when an effect is not there, or a set that can be learnt was not learnt. Resumable.
Takes about ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

from demo_arms import Demo, plan, run_steps

from xlt.study.steps import Step

SETS = ("skill", "null", "harm", "inverted")
FEW = 500
LEARNABLE = ("data-skill", "data-inverted", "few-skill", "few-inverted", "few-harm")
TRIES = 3
CLEARLY = 20  # points away from chance
CAREFUL = ("--lr", "3e-4", "--epochs", "5")  # as the compact encoder trains PAWS-X


def training(demo: Demo, name: str, seed: int, lane: str) -> Step:
    """One training, `data-SET` or `few-SET`, in a folder named after it and the seed."""
    world, base = demo.out / "world", demo.out / "base"
    kind, _, chosen = name.partition("-")
    own = world / "planted" / chosen / "train.tsv" if kind == "data" else demo.out / "few.tsv"
    extra: tuple[str, ...] = ("--train-split", f"pawsx={own}")
    if kind == "few" and chosen != "none":
        extra += ("--task-file", str(world / "planted" / f"{chosen}.yaml"),
                  "--intermediate", f"planted-{chosen}")  # fmt: skip
    arguments = ("train", "--model", str(base), *extra, "--target", "pawsx", *CAREFUL,
                 "--out", str(folder_of(demo, name, seed)), "--data", str(world),
                 "--seed", str(seed), "--threads", "1", "--resume")  # fmt: skip
    return Step(name=f"{name}-{seed}", lane=lane, arguments=arguments)


def folder_of(demo: Demo, name: str, seed: int) -> Path:
    """Where a training's run is."""
    return demo.out / f"{name}-{seed}"


def accuracies(run: Path) -> dict[str, list[float]]:
    """English dev accuracies of each phase, epoch by epoch."""
    found: dict[str, list[float]] = {}
    for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry.get("dev"):
            found.setdefault(entry["phase"], []).append(float(entry["dev"]["accuracy"]))
    return found


def has_learnt(name: str, run: Path) -> bool:
    """Whether the planted labels were learnt at all: away from chance, on either side of it."""
    phases = accuracies(run)
    if name.startswith("data"):
        return abs(phases["pawsx"][-1] - 50) > CLEARLY
    return max(next(values for phase, values in phases.items() if phase != "pawsx")) > 50 + CLEARLY


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
    seeds = dict.fromkeys(
        [f"{kind}-{name}" for name in SETS for kind in ("data", "few")], demo.seed
    )
    todo = list(seeds)
    for _ in range(TRIES):
        run_steps(demo, [training(demo, name, seeds[name], "ab"[i % 2])
                         for i, name in enumerate(todo)])  # fmt: skip
        todo = [
            name for name in LEARNABLE if not has_learnt(name, folder_of(demo, name, seeds[name]))
        ]
        if not todo:
            break
        for name in todo:
            seeds[name] += 1
    dev = sum(
        1 for _ in next((demo.out / "world" / "pawsx").glob("dev*en*")).open(encoding="utf-8")
    )
    noise = 300 / math.sqrt(4 * dev)  # three standard errors of a rate near 50 %
    if todo:
        print(f"not learnt with {TRIES} seeds, so nothing can be said of: {', '.join(todo)}")
        return 5
    controls = sorted({seed for name, seed in seeds.items() if name.startswith("few")})
    run_steps(demo, [training(demo, "few-none", seed, "a") for seed in controls])
    runs = {name: accuracies(folder_of(demo, name, seed))["pawsx"] for name, seed in seeds.items()}
    data = {name: runs[f"data-{name}"][-1] for name in SETS}  # the best epoch would hide a harm
    after = {name: max(runs[f"few-{name}"]) for name in SETS}
    none = {seed: max(accuracies(folder_of(demo, "few-none", seed))["pawsx"]) for seed in controls}
    gain = {name: after[name] - none[seeds[f"few-{name}"]] for name in SETS}
    apart = noise * math.sqrt(2)  # of a difference of two rates
    rows = [
        ("data-skill", data["skill"], "well above 50", data["skill"] > 50 + 2 * noise),
        ("data-inverted", data["inverted"], f"100 - skill = {100 - data['skill']:.1f}",
         abs(data["inverted"] + data["skill"] - 100) < noise),
        ("data-null", data["null"], "50", abs(data["null"] - 50) < noise),
        ("data-harm", data["harm"], "50", abs(data["harm"] - 50) < noise),
        ("few-skill", after["skill"], "above none", gain["skill"] > apart),
        ("few-null", after["null"], "as none", gain["null"] < apart),
        ("few-harm", after["harm"], "not above none", gain["harm"] < apart),
        ("few-inverted", after["inverted"], "above none", gain["inverted"] > apart),
    ]  # fmt: skip
    print(f"PAWS-X, English dev, {dev} pairs; three standard errors: {noise:.1f}, "
          f"of a difference {apart:.1f}")  # fmt: skip
    print("data-SET: trained on it, last epoch; few-SET: trained on 500 true pairs after it")
    for seed, value in none.items():
        print(f"few-none       seed {seed} {value:6.1f}")
    for name, value, planted, holds in rows:
        seen = "" if holds else "NOT SEEN"
        print(f"{name:14} seed {seeds[name]} {value:6.1f}  {planted:22} {seen}".rstrip())
    return 0 if all(holds for *_, holds in rows) else 5


if __name__ == "__main__":
    sys.exit(main())
