"""Predictions of `xlt eval`, counted one by one beside those of code that shares nothing with it.

The same checkpoints go through plain transformers (pairs, choices, tags, answers),
sentence-transformers (retrieval) and seqeval (the score of tags, where it is installed). Any
difference that has no known reason is exit 1.

    python benchmarks/independent.py                 a tiny world, every kind, a minute of CPU time
    python benchmarks/independent.py --data ROOT --checkpoint panx=RUN/targets/panx --split dev \\
        --langs en,de --limit 200

Known reasons, each counted apart:
* rounding: the two best answers are closer than 0.001, and the other one is ours;
* characters: the same tokens, but xlt gives a character without a token to the token before it.
The `question-answering` pipeline of transformers differs on purpose and is shown beside:
* `align_to_words` widens answers to whole words;
* window overlap: it takes the best of each window by a softmax of that window, while run_squad (and
  xlt) take a token from the window that gives it most context.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
import independent_code as code
import torch
import transformers

FILES = {
    "xnli": "xnli/{split}-{lang}.tsv",
    "pawsx": "pawsx/{split}-{lang}.tsv",
    "udpos": "udpos/{split}-{lang}.tsv",
    "panx": "panx/{split}-{lang}.tsv",
    "xquad": "xquad/xquad.{lang}.json",
    "hellaswag": "hellaswag/hellaswag_val.jsonl",
    "tatoeba": "tatoeba/tatoeba.{iso}-eng.{iso}",
}
TRAINED = ("xnli", "udpos", "xquad")


def xlt(*words: object) -> None:
    """Run a verb of xlt.

    Raises:
        SystemExit: it failed.
    """
    command = [sys.executable, "-m", "xlt", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[1:])}\n{done.stderr}")


def cut(source: Path, target: Path, task: str, limit: int | None) -> None:
    """Copy the first items of a file; of a bitext both sides."""
    target.parent.mkdir(parents=True, exist_ok=True)
    text = code.lines(source)
    if task == "xquad":
        data = json.loads("\n".join(text))
        asked, kept = 0, []
        for paragraph in (p for article in data["data"] for p in article["paragraphs"]):
            room = len(paragraph["qas"]) if limit is None else limit - asked
            paragraph["qas"] = paragraph["qas"][: max(0, room)]
            asked += len(paragraph["qas"])
            kept += [paragraph] if paragraph["qas"] else []
        data["data"] = [{"title": "cut", "paragraphs": kept}]
        text = [json.dumps(data, ensure_ascii=False)]
    elif task in {"udpos", "panx"}:
        groups = [list(g) for filled, g in itertools.groupby(text, key=bool) if filled]
        text = list(itertools.chain(*([*group, ""] for group in groups[:limit])))
    else:
        text = [line for line in text if line][:limit]
    target.write_text("\n".join(text) + "\n", encoding="utf-8")


def our_answers(path: Path, kind: str) -> list[str]:
    """The answers in a predictions file of xlt, in the order of the items."""
    if kind == "span":
        return list(json.loads(path.read_text(encoding="utf-8")).values())
    return [line for line in path.read_text(encoding="utf-8").split("\n") if line]


def compare(found: code.Found, ours: Sequence[str]) -> Counter[str]:
    """How many answers are the same, or differ for which reason."""
    if len(found.answers) != len(ours):
        raise SystemExit(f"{len(found.answers)} independent answers, {len(ours)} of xlt")
    known = found.known or [{}] * len(ours)
    counted: Counter[str] = Counter(items=len(ours))
    for answer, close, reasons, our in zip(found.answers, found.close, known, ours, strict=True):
        if our != answer:
            reason = "rounding" if our in close else reasons.get(our, "unexplained")
            counted[reason] += 1
            if reason == "unexplained":
                print(f"unexplained: {our!r} is ours, {answer!r} theirs", file=sys.stderr)
    return counted


def seqeval_f1(gold: Path, ours: Sequence[str], score: float) -> str:
    """The F1 of our predictions by seqeval, beside ours."""
    try:
        from seqeval.metrics import f1_score
    except ImportError:
        return "seqeval is not installed"
    blocks = [list(g) for filled, g in itertools.groupby(code.lines(gold), key=bool) if filled]
    tags = iter(ours)
    theirs = 100 * f1_score(
        [[line.split("\t")[1].strip() for line in block] for block in blocks],
        [[next(tags) for _ in block] for block in blocks],
    )
    if abs(theirs - score) > 1e-9:
        raise SystemExit(f"F1 by seqeval is {theirs!r}, ours {score!r}")
    return f"seqeval {theirs:.2f}, the same"


def world(out: Path) -> tuple[Path, dict[str, Path]]:
    """A tiny world and a checkpoint of every kind, trained for seconds."""
    root, run = out / "root", out / "run"
    if not (root / "languages.json").is_file():
        xlt("world", "--size", "tiny", "--out", root, "--seed", 1)
    xlt(
        "train",
        "--model",
        "compact",
        "--data",
        root,
        "--intermediate",
        "hellaswag",
        "--target",
        ",".join(TRAINED),
        "--pretrain-steps",
        60,
        "--steps",
        60,
        "--out",
        run,
        "--resume",
    )
    found = {name: run / "targets" / name for name in TRAINED}
    (choice_phase,) = run.glob("phases/*-hellaswag")
    return root, {**found, "hellaswag": choice_phase, "tatoeba": run / "encoder"}


def one_task(task: str, folder: Path, root: Path, args: argparse.Namespace) -> int:
    """Compare one checkpoint in all its languages; returns what is unexplained."""
    from xlt.core.tasks.languages import load_languages  # their codes only

    place = args.out / task
    layer = ["--layer", "last", "--pooling", "mean"] if task == "tatoeba" else []
    xlt("export", folder, "--task", task, "--out", place / "bundle", "--force", *layer)
    manifest = json.loads((place / "bundle/xlt.json").read_text())
    kind, length = manifest["task"]["kind"], manifest["max_length"]
    split = "dev" if kind == "choice" else args.split
    asked = None if args.langs == "all" else set(args.langs.split(","))
    files: dict[str, Path] = {}
    for lang, about in load_languages(root).items():
        name = FILES[task].format(split=split, lang=lang, iso=about.tatoeba)
        there = next((p for p in (root / name, root / f"{name}.gz") if p.is_file()), None)
        if there and (asked is None or lang in asked) and (kind != "choice" or lang == "en"):
            if kind == "embed" and lang == "en":
                continue
            files[lang] = place / "data" / name
            cut(there, files[lang], task, args.limit)
            if kind == "embed":
                english = there.with_name(there.name.replace(f"-eng.{about.tatoeba}", "-eng.eng"))
                target = place / "data/tatoeba" / english.name.removesuffix(".gz")
                cut(english, target, task, args.limit)
    if (root / "languages.json").is_file():
        (place / "data/languages.json").write_bytes((root / "languages.json").read_bytes())
    xlt(
        "eval",
        place / "bundle",
        "--tasks",
        task,
        "--split",
        split,
        "--data",
        place / "data",
        "--out",
        place / "results",
    )
    record = json.loads((place / "results/results.json").read_text())
    scores = {cell["lang"]: cell for cell in record["cells"]}
    unexplained = 0
    with torch.inference_mode():
        if kind != "embed":
            model = getattr(transformers, code.AUTO[kind]).from_pretrained(folder).eval()
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        for lang, path in files.items():
            ours = our_answers(place / "results" / scores[lang]["predictions"], kind)
            if kind == "embed":
                foreign = path.name.rpartition("-eng.")[0]
                found = code.embed(folder, path, path.with_name(f"{foreign}-eng.eng"), length)
            else:
                found = code.CODE[kind](model, tokenizer, path, length)
            counted = compare(found, ours)
            unexplained += counted["unexplained"]
            metrics = scores[lang]["metrics"]
            remark = seqeval_f1(path, ours, metrics["f1"]) if kind == "tag" and metrics else ""
            print(
                f"| {task} | {lang} | {counted['items']} | {counted['rounding']} | "
                f"{counted['characters']} | {counted['unexplained']} | {remark} |",
                flush=True,
            )
            if kind == "span" and not args.no_pipeline:
                for what, n, several in code.pipeline_rows(folder, path, ours, length):
                    remark = f"{what}: {n} differ, {several} of them with several windows"
                    print(f"| {task} | {lang} | {counted['items']} | | | | {remark} |", flush=True)
    return unexplained


def main() -> None:
    """Print the table; exit 1 when a difference has no known reason."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="data root of --checkpoint")
    parser.add_argument("--checkpoint", action="append", default=[], metavar="TASK=FOLDER")
    parser.add_argument("--out", type=Path, default=Path("build/independent"))
    parser.add_argument("--langs", default="all")
    parser.add_argument("--split", default="test")
    parser.add_argument("--limit", type=int, help="items of each file")
    parser.add_argument("--no-pipeline", action="store_true", help="leave the pipeline out")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out = args.out.resolve()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.checkpoint:
        if args.data is None:
            parser.error("--checkpoint needs --data ROOT")
        root = args.data
        named = (given.partition("=") for given in args.checkpoint)
        folders = {name: Path(folder) for name, _, folder in named}
        if unknown := folders.keys() - FILES.keys():
            parser.error(f"unknown task {' '.join(unknown)}; known: {' '.join(FILES)}")
    else:
        root, folders = world(args.out)
    print("| task | language | items | rounding | characters | unexplained | |")
    print("|---|---|---:|---:|---:|---:|---|")
    unexplained = sum(one_task(name, folder, root, args) for name, folder in folders.items())
    if unexplained:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
