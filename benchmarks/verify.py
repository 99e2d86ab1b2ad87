"""Data and table of `verify.sh`: cut DATA OUT N, or table OUT.

`cut` writes a data root with a seeded N items of every labelled set, the same rows in all languages
where they are translations of each other. `table` prints what is finished.
"""

from __future__ import annotations

import gzip
import json
import random
import statistics
import sys
from pathlib import Path

SEED = 1
WHOLE = ("train-en.tsv", "en_ewt-ud-train", "en_ewt-ud-dev", "tydiqa.goldp.en.train", "dev-en.tsv")
NAMES = {
    "xnli": "XNLI, accuracy", "pawsx": "PAWS-X, accuracy", "udpos": "UD-POS, chunk F1",
    "panx": "PAN-X dev, F1", "xquad": "XQuAD, mean of F1 and EM",
    "mlqa": "MLQA dev, mean of F1 and EM", "tydiqa": "TyDiQA, predictions only",
    "tatoeba": "Tatoeba, accuracy", "xcopa": "XCOPA, accuracy", "ntrex": "NTREX, accuracy",
}  # fmt: skip


def text_of(path: Path) -> str:
    """A plain or gzip file."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return data.decode("utf-8")


def chosen(total: int, n: int) -> list[int]:
    """Seeded places, the same for every file of so many items."""
    return sorted(random.Random(SEED).sample(range(total), min(n, total)))


def cut(data: Path, out: Path, n: int) -> None:
    """Write the cut root; what trains (English) is linked whole."""
    for folder in ("xnli", "pawsx", "panx", "udpos", "xquad", "mlqa", "tydiqa", "tatoeba", "xcopa",
                   "bitext_ntrex"):  # fmt: skip
        for path in sorted((data / folder).rglob("*.*")):
            place = path.relative_to(data)
            if {"xtreme_format", "genre_labelled"} & set(place.parts) or not path.is_file():
                continue
            target = out / str(place).removesuffix(".gz")
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.name.startswith(WHOLE) and place.as_posix() != "panx/dev-en.tsv":
                link = out / place
                if not link.exists():
                    link.symlink_to(path.resolve())
                continue
            target.write_text(part(text_of(path), target, n), encoding="utf-8")


def part(text: str, path: Path, n: int) -> str:
    """The chosen items of one file."""
    if path.suffix == ".json":
        return questions(json.loads(text), n)
    if path.suffix == ".conllu" or path.parent.name == "panx":
        blocks = [block for block in text.split("\n\n") if block.strip()]
        return "".join(f"{blocks[i].strip(chr(10))}\n\n" for i in chosen(len(blocks), n))
    lines = [line for line in text.split("\n") if line]
    header = [lines.pop(0)] if lines[0].startswith("id\t") else []
    return "".join(f"{line}\n" for line in [*header, *(lines[i] for i in chosen(len(lines), n))])


def questions(value: dict, n: int) -> str:
    """A SQuAD file with the chosen questions."""
    asked = [one for article in value["data"] for p in article["paragraphs"] for one in p["qas"]]
    kept = set(chosen(len(asked), n))
    number = -1
    for article in value["data"]:
        for paragraph in article["paragraphs"]:
            found = []
            for one in paragraph["qas"]:
                number += 1
                if number in kept:
                    found.append(one)
            paragraph["qas"] = found
        article["paragraphs"] = [p for p in article["paragraphs"] if p["qas"]]
    value["data"] = [article for article in value["data"] if article["paragraphs"]]
    return json.dumps(value, ensure_ascii=False)


def table(out: Path) -> None:
    """A line a task and encoder: English, the others, how many languages and items."""
    print(
        "| | encoder | English | mean of the others | lowest | highest | languages | items each |"
    )
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for task, named in NAMES.items():
        for folder in sorted((out / "results").glob(f"*-{task}")):
            if (folder / "results.json").is_file():
                record = json.loads((folder / "results.json").read_text())
                cells = [cell for cell in record["cells"] if cell["task"] == task]
                print(line(named, folder.name.removesuffix(f"-{task}"), cells))


def line(named: str, encoder: str, cells: list) -> str:
    """One line of the table."""
    scores = {cell["lang"]: cell["score"] for cell in cells if cell["score"] is not None}
    others = {lang: score for lang, score in scores.items() if lang != "en"}
    sizes = sorted({cell["n"] for cell in cells})
    items = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    if not others:
        return f"| {named} | {encoder} | - | - | - | - | {len(cells)} | {items} |"
    worst, best = min(others, key=others.__getitem__), max(others, key=others.__getitem__)
    english = f"{scores['en']:.1f}" if "en" in scores else "-"
    return (
        f"| {named} | {encoder} | {english} | {statistics.fmean(others.values()):.1f} | "
        f"{worst} {others[worst]:.1f} | {best} {others[best]:.1f} | {len(cells)} | {items} |"
    )


if __name__ == "__main__":
    if sys.argv[1] == "cut":
        cut(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
    else:
        table(Path(sys.argv[2]))
