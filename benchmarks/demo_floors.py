"""Does the embedded benchmark show real transfer? Three seeds and a control, against floors.

Runs the direct arm of `xlt demo` (world, pretraining, targets, export, eval) for each seed, and a
control: the same with `--pretrain none`, an encoder of random weights that is tuned on the same
English data. Beside them, without floors, the unaligned encoder (`--pretrain mlm`), which saw no
parallel text. Prints each floor beside what was reached and the simplest baseline (majority
class or tag, uniform pick, mean of the static embeddings).

    python benchmarks/demo_floors.py [--out build/floors] [--seeds 1,2,3] [--size small]

Exit code 5 when a seed misses a floor, or the control reaches one that it has to miss. Resumable:
finished steps are kept. As many runs side by side as there are cores; about 20 minutes on two.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from demo_arms import Demo, check_settings, plan

from xlt.core.tasks.languages import load_languages
from xlt.study.steps import run_lanes

Scores = Mapping[str, Mapping[str, Mapping[str, float]]]  # task -> metric -> language -> score


def mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def english(task: str, metric: str) -> Callable[[Scores, list[str]], float | None]:
    return lambda tasks, other_script: tasks[task][metric].get("en")


def others(task: str, metric: str) -> Callable[[Scores, list[str]], float | None]:
    return lambda tasks, other_script: mean(
        [score for lang, score in tasks[task][metric].items() if lang != "en"]
    )


def other_script(task: str, metric: str) -> Callable[[Scores, list[str]], float | None]:
    return lambda tasks, langs: mean([tasks[task][metric][lang] for lang in langs])


def gap(task: str, metric: str) -> Callable[[Scores, list[str]], float | None]:
    def difference(tasks: Scores, langs: list[str]) -> float | None:
        here, there = english(task, metric)(tasks, langs), others(task, metric)(tasks, langs)
        return None if here is None or there is None else here - there

    return difference


@dataclass(frozen=True)
class Floor:
    """One line of the table. `least` None: reported, no floor. `control`: must fail it."""

    name: str
    task: str
    metric: str
    measure: Callable[[Scores, list[str]], float | None]
    least: float | None
    control: bool


# Those of the feasibility study but for NER x: names that are spelled alike give even an encoder of
# random weights more than its 30, so a stricter one stands here.
FLOORS = [
    Floor("Tatoeba x", "tatoeba", "accuracy", others("tatoeba", "accuracy"), 55, True),
    Floor("Tatoeba, other script", "tatoeba", "accuracy", other_script("tatoeba", "accuracy"), 45,
          True),
    Floor("BUCC x", "bucc2018", "f1", others("bucc2018", "f1"), 35, True),
    Floor("POS en (tokens)", "udpos", "token_accuracy", english("udpos", "token_accuracy"), 98,
          False),
    Floor("POS x (tokens)", "udpos", "token_accuracy", others("udpos", "token_accuracy"), 58, True),
    Floor("NER en", "panx", "f1", english("panx", "f1"), 75, False),
    Floor("NER x", "panx", "f1", others("panx", "f1"), 60, True),
    Floor("NLI en", "xnli", "accuracy", english("xnli", "accuracy"), 75, False),
    Floor("NLI x", "xnli", "accuracy", others("xnli", "accuracy"), None, False),
    Floor("PAWS en", "pawsx", "accuracy", english("pawsx", "accuracy"), None, False),
    Floor("PAWS x", "pawsx", "accuracy", others("pawsx", "accuracy"), None, False),
    Floor("XQuAD en", "xquad", "exact_match", english("xquad", "exact_match"), None, False),
    Floor("XQuAD x", "xquad", "exact_match", others("xquad", "exact_match"), None, False),
    Floor("NLI gap en - x", "xnli", "accuracy", gap("xnli", "accuracy"), 10, False),
    Floor("POS gap en - x", "udpos", "token_accuracy", gap("udpos", "token_accuracy"), 10, False),
    Floor("NER gap en - x", "panx", "f1", gap("panx", "f1"), 10, False),
]  # fmt: skip


def results(demo: Demo, arm: str) -> dict[str, Any]:
    return json.loads((demo.out / "results" / arm / "results.json").read_text(encoding="utf-8"))


def baseline(floor: Floor, demo: Demo) -> float | None:
    """Static embeddings, a uniform pick of candidates, or always the most frequent label."""
    direct = results(demo, "direct")
    if floor.task in {"tatoeba", "bucc2018"}:
        tasks = results(demo, "static")["tasks"]
    elif floor.metric == "exact_match":
        references = json.loads((demo.out / "world" / "references.json").read_text("utf-8"))
        tasks = {task: {floor.metric: by} for task, by in references["uniform_pick"].items()}
    else:
        by_lang = {
            cell["lang"]: cell["baseline"][floor.metric]
            for cell in direct["cells"]
            if cell["task"] == floor.task and floor.metric in cell["baseline"]
        }
        tasks = {floor.task: {floor.metric: by_lang}}
    return None if "gap" in floor.name else floor.measure(tasks, scripts(demo))


def scripts(demo: Demo) -> list[str]:
    """Languages that are not written in the script of English."""
    languages = load_languages(demo.out / "world")
    rows = json.loads((demo.out / "world" / "languages.json").read_text(encoding="utf-8"))
    codes = [row["code"] for row in rows]
    return [code for code in codes if languages[code].script != languages["en"].script]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("build/floors"))
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--size", default="small")
    arguments = parser.parse_args()
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    demos = {
        f"seed {seed}": Demo(
            out=arguments.out / f"seed-{seed}", seed=seed, size=arguments.size,
        )
        for seed in seeds
    }  # fmt: skip
    first = demos[f"seed {seeds[0]}"]
    demos["unaligned"] = replace(first, out=arguments.out / "unaligned", pretrain="mlm")
    demos["control"] = replace(first, out=arguments.out / "control", pretrain="none")
    for demo in demos.values():
        check_settings(demo)
    steps = [
        replace(step, name=f"{name}: {step.name}", lane=name)
        for name, demo in demos.items()
        for step in plan(demo)
    ]
    run_lanes(steps, finished=lambda step, seconds: None)
    header = ["", "floor", *demos, "baseline"]
    rows, failures = [], []
    for floor in FLOORS:
        reached = {
            name: floor.measure(results(demo, "direct")["tasks"], scripts(demo))
            for name, demo in demos.items()
        }
        for name, value in reached.items():
            if floor.least is None or value is None or name == "unaligned":
                continue
            if name == "control":
                if floor.control and value >= floor.least:
                    failures.append(f"the control reaches {floor.name}: {value:.1f}")
            elif value < floor.least:
                failures.append(f"{name} misses {floor.name}: {value:.1f} < {floor.least}")
        rows.append([
            floor.name, "-" if floor.least is None else f">={floor.least}",
            *("-" if value is None else f"{value:.1f}" for value in reached.values()),
            "-" if (simple := baseline(floor, first)) is None else f"{simple:.1f}",
        ])  # fmt: skip
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        print("  ".join(c.ljust(w) if i == 0 else c.rjust(w)
                        for i, (c, w) in enumerate(zip(row, widths, strict=True))))  # fmt: skip
    for failure in failures:
        print("FAILED:", failure)
    return 5 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
