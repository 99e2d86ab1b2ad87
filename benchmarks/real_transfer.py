"""Data and table of `real_transfer.sh`: prepare DATA OUT, or table OUT.

`prepare` links the tasks into a root of its own, writes the NLI phase's pairs (seeded parts of SNLI
and of ANLI's rounds 1 and 2) and a seeded tenth of XNLI's test rows, the same rows in every
language: all 55,110 pairs would take longer than the training. `table` prints what is finished.
"""

from __future__ import annotations

import csv
import gzip
import json
import statistics
import sys
from pathlib import Path

import numpy as np

SNLI_TAKEN = 900
ANLI_EACH = 60
XNLI_ROWS = 501
SEED = 1


def prepare(data: Path, out: Path) -> None:
    """A data root under `out`, made once."""
    root = out / "data"
    if (root / "nli.jsonl").exists():
        return
    (root / "xnli" / "labels").mkdir(parents=True, exist_ok=True)
    for name in ("udpos", "tatoeba"):
        if not (root / name).exists():
            (root / name).symlink_to((data / name).resolve())
    source = data / "xnli"
    labels = (source / "labels" / "test-all-languages.tsv").read_text().splitlines()
    rng = np.random.default_rng(SEED)
    rows = sorted(rng.choice(len(labels), XNLI_ROWS, replace=False))
    for path in sorted(source.glob("test-*.tsv.gz")):
        lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")
        with gzip.open(root / "xnli" / path.name, "wt", encoding="utf-8", newline="\n") as file:
            file.writelines(lines[row] + "\n" for row in rows)
    cut = "".join(labels[row] + "\n" for row in rows)
    (root / "xnli" / "labels" / "test-all-languages.tsv").write_text(cut)
    english = root / "xnli" / "dev-en.tsv.gz"
    if not english.exists():
        english.symlink_to((source / english.name).resolve())
    with (root / "nli.jsonl.part").open("w", encoding="utf-8") as file:
        for pair in [*snli(data, rng), *anli(data, rng)]:
            file.write(json.dumps(pair, ensure_ascii=False) + "\n")
    (root / "nli.jsonl.part").rename(root / "nli.jsonl")


def snli(data: Path, rng: np.random.Generator) -> list[dict[str, str]]:
    """A seeded part of what there is of SNLI, in its own layout."""
    with gzip.open(data / "snli/snli_1.0/snli_1.0_dev.jsonl.gz", "rt", encoding="utf-8") as file:
        found = [one for line in file if (one := json.loads(line))["gold_label"] != "-"]
    names = ("gold_label", "sentence1", "sentence2", "pairID")
    taken = sorted(rng.choice(len(found), SNLI_TAKEN, replace=False))
    return [{name: found[index][name] for name in names} for index in taken]


def anli(data: Path, rng: np.random.Generator) -> list[dict[str, str]]:
    """A seeded part of both rounds, in the same layout."""
    label = {"e": "entailment", "n": "neutral", "c": "contradiction"}
    pairs = []
    for number in (1, 2):
        path = data / f"anli/anli_annot_v0.2/ANLI_analysis_r{number}_dev.csv.gz"
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        pairs += [
            {
                "gold_label": label[rows[index]["gold_label"]],
                "sentence1": rows[index]["context"],
                "sentence2": rows[index]["statement"],
                "pairID": f"r{number}-{rows[index]['uid']}",
            }
            for index in sorted(rng.choice(len(rows), ANLI_EACH, replace=False))
        ]
    return pairs


WHAT = {
    "udpos": "UD-POS, chunk F1",
    "xnli": f"XNLI, accuracy ({XNLI_ROWS:,} of 5,010 test pairs a language)",
    "tatoeba": "Tatoeba, accuracy",
}
ARMS = {"direct": "direct", "nli": "after one NLI phase", "old": "an older xlt"}


def table(out: Path) -> None:
    """Means over languages of what is finished, their spread over seeds, and each language."""
    found: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
    for name in sorted(path.name for path in (out / "results").iterdir()):
        if (out / "done" / f"eval-{name}").exists():
            task, arm, seed = name.split("-")
            found.setdefault((task, arm), {})[seed] = scores_of(out / "results" / name)
    print("| | seeds | mean of all languages | spread | without English | English | minutes |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for task, said in WHAT.items():
        for arm, named in ARMS.items():
            seeds = found.get((task, arm))
            if seeds:
                print(line(f"{said}, {named}", seeds, minutes(out, task, arm, seeds)))
    for task, said in WHAT.items():
        by_arm = {arm: found[task, arm] for arm in ARMS if (task, arm) in found}
        if by_arm:
            print(f"\n{said}, mean of the seeds:\n")
            languages(by_arm)


def scores_of(results: Path) -> dict[str, float]:
    """The score of every language, in percent."""
    cells = json.loads((results / "results.json").read_text())["cells"]
    return {cell["lang"]: cell["score"] for cell in cells}


def line(said: str, seeds: dict[str, dict[str, float]], spent: str) -> str:
    """One line of the first table."""
    means = [statistics.fmean(scores.values()) for scores in seeds.values()]
    others = [
        statistics.fmean(score for lang, score in scores.items() if lang != "en")
        for scores in seeds.values()
    ]
    english = [scores["en"] for scores in seeds.values() if "en" in scores]
    spread = f"{min(means):.1f} to {max(means):.1f}" if len(means) > 1 else "-"
    last = f"{statistics.fmean(english):.1f}" if english else "-"
    return (
        f"| {said} | {len(seeds)} | {statistics.fmean(means):.1f} | {spread} | "
        f"{statistics.fmean(others):.1f} | {last} | {spent} |"
    )


def minutes(out: Path, task: str, arm: str, seeds: dict[str, dict[str, float]]) -> str:
    """Processor minutes of training and of evaluation, the mean of the seeds."""
    parts = []
    for stage in ("train", "eval"):
        files = [out / "done" / f"{stage}-{task}-{arm}-{seed}" for seed in seeds]
        spent = [sum(map(float, path.read_text().split()[1:])) for path in files if path.exists()]
        parts.append(f"{statistics.fmean(spent) / 60:.1f}" if spent else "-")
    return " + ".join(parts)


def languages(by_arm: dict[str, dict[str, dict[str, float]]], width: int = 9) -> None:
    """Every language, so many in a row."""
    codes = sorted({lang for seeds in by_arm.values() for one in seeds.values() for lang in one})
    for start in range(0, len(codes), width):
        part = codes[start : start + width]
        print(f"| | {' | '.join(part)} |\n|---|{'---:|' * len(part)}")
        for arm, seeds in by_arm.items():
            row = [statistics.fmean(one[lang] for one in seeds.values()) for lang in part]
            print(f"| {ARMS[arm]} | {' | '.join(f'{score:.1f}' for score in row)} |")
        print()


if __name__ == "__main__":
    {"prepare": prepare, "table": table}[sys.argv[1]](*map(Path, sys.argv[2:]))
