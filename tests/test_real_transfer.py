"""Data and table of `benchmarks/real_transfer.sh`, on made-up files."""

import csv
import gzip
import importlib.util
import io
import json

import pytest

LANGS = ("en", "de", "zh")
LABELS = ("entailment", "neutral", "contradiction")


@pytest.fixture(scope="module")
def bench(project):
    path = project / "benchmarks" / "real_transfer.py"
    spec = importlib.util.spec_from_file_location("real_transfer", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.SNLI_TAKEN, module.ANLI_EACH, module.XNLI_ROWS = 6, 2, 5
    return module


def packed(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()))


@pytest.fixture
def data(tmp_path):
    """A folder in the layout of the real data: row n says so in every language."""
    root = tmp_path / "data"
    for name in ("udpos", "tatoeba"):
        (root / name).mkdir(parents=True)
    for lang in LANGS:
        rows = "".join(f"{lang} premise {n}\t{lang} quoted \x85 {n}\n" for n in range(12))
        packed(root / f"xnli/test-{lang}.tsv.gz", rows)
    packed(root / "xnli/dev-en.tsv.gz", "a\tb\tneutral\n")
    (root / "xnli/labels").mkdir()
    labels = "".join(f"{LABELS[n % 3]}\n" for n in range(12))
    (root / "xnli/labels/test-all-languages.tsv").write_text(labels)
    snli = [
        {"gold_label": "-" if n % 5 == 4 else LABELS[n % 3], "sentence1": f"s{n}",
         "sentence2": "t", "pairID": str(n), "captionID": "x"}
        for n in range(12)
    ]  # fmt: skip
    packed(
        root / "snli/snli_1.0/snli_1.0_dev.jsonl.gz", "".join(json.dumps(o) + "\n" for o in snli)
    )
    for number in (1, 2):
        stream = io.StringIO()
        rows = csv.DictWriter(stream, ["context", "statement", "gold_label", "uid"])
        rows.writeheader()
        for n in range(4):
            rows.writerow({"context": f'c{number}, "{n}"', "statement": "h",
                           "gold_label": "enc"[n % 3], "uid": n})  # fmt: skip
        name = f"anli/anli_annot_v0.2/ANLI_analysis_r{number}_dev.csv.gz"
        packed(root / name, stream.getvalue())
    return root


def test_the_same_rows_of_every_language_with_their_labels(bench, data, tmp_path):
    bench.prepare(data, tmp_path / "out")
    root = tmp_path / "out/data"
    numbers = set()
    for lang in LANGS:
        text = gzip.decompress((root / f"xnli/test-{lang}.tsv.gz").read_bytes()).decode()
        lines = text.removesuffix("\n").split("\n")
        assert all(line.startswith(f"{lang} premise ") for line in lines)
        numbers.add(tuple(int(line.rpartition(" ")[2]) for line in lines))
    ((*rows,),) = numbers
    labels = (root / "xnli/labels/test-all-languages.tsv").read_text().split()
    assert len(rows) == 5 and labels == [LABELS[n % 3] for n in rows]
    assert (root / "udpos").resolve() == (data / "udpos").resolve()


def test_pairs_of_the_phase_have_labels_and_one_layout(bench, data, tmp_path):
    bench.prepare(data, tmp_path / "out")
    path = tmp_path / "out/data/nli.jsonl"
    pairs = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(pairs) == 6 + 2 * 2 and {tuple(pair) for pair in pairs} == {tuple(pairs[0])}
    assert {pair["gold_label"] for pair in pairs} <= set(LABELS)
    assert len({pair["pairID"] for pair in pairs}) == len(pairs)
    made = path.stat().st_mtime_ns
    bench.prepare(data, tmp_path / "out")
    assert path.stat().st_mtime_ns == made, "a second call makes nothing anew"


def test_means_over_languages_and_seeds(bench, tmp_path, capsys):
    (tmp_path / "done").mkdir()
    for seed, scores in (("1", {"en": 90, "de": 70}), ("2", {"en": 80, "de": 60}), ("3", {})):
        folder = tmp_path / f"results/udpos-direct-{seed}"
        folder.mkdir(parents=True)
        cells = [{"lang": lang, "score": score} for lang, score in scores.items()]
        (folder / "results.json").write_text(json.dumps({"cells": cells}))
        if scores:
            (tmp_path / f"done/eval-udpos-direct-{seed}").write_text("999.0 50.0 10.0")
            (tmp_path / f"done/train-udpos-direct-{seed}").write_text("999.0 110.0 10.0")
    bench.table(tmp_path)
    lines = capsys.readouterr().out.splitlines()
    expected = "| 2 | 75.0 | 70.0 to 80.0 | 65.0 | 85.0 | 2.0 + 1.0 |"
    assert f"| UD-POS, chunk F1, direct {expected}" in lines
    assert "| direct | 65.0 | 85.0 |" in lines, "a seed that is not finished is left out"
