"""benchmarks/verify.sh: its cut of the data is seeded, and xlt takes its commands."""

import json
import os
import subprocess
import sys

import pytest

from xlt.data import DataRoot


@pytest.fixture
def cut(project, tmp_path):
    def write(data, n, name="cut"):
        command = [
            sys.executable,
            project / "benchmarks/verify.py",
            "cut",
            data,
            tmp_path / name,
            n,
        ]
        subprocess.run(list(map(str, command)), check=True)
        return tmp_path / name

    return write


def test_a_cut_is_seeded_and_parallel_sets_keep_the_same_rows(cut, tmp_path):
    data = tmp_path / "data"
    labels = ["entailment", "neutral", "contradiction"]
    for place, rows in {
        "xnli/test-en.tsv": [f"premise {n}\tidea {n}" for n in range(30)],
        "xnli/test-de.tsv": [f"Voraussetzung {n}\tIdee {n}" for n in range(30)],
        "xnli/labels/test-all-languages.tsv": [labels[n % 3] for n in range(30)],
        "panx/dev-sw.tsv": [f"w{n}\tO\n" for n in range(20)],
    }.items():
        (data / place).parent.mkdir(parents=True, exist_ok=True)
        (data / place).write_text("\n".join(rows) + "\n")
    first, second = DataRoot(cut(data, 8)), cut(data, 8, "again")
    task = first.tasks["xnli"]
    english, german = (first.read(task, lang, "test").examples for lang in ("en", "de"))
    numbers = [int(example.text_a.split()[1]) for example in english]
    assert numbers == [int(example.text_a.split()[1]) for example in german] and len(numbers) == 8
    assert [example.label for example in english] == [labels[n % 3] for n in numbers]
    assert len(first.read(first.tasks["panx"], "sw", "dev")) == 8
    for path in (one for one in second.rglob("*.tsv")):
        assert path.read_bytes() == (tmp_path / "cut" / path.relative_to(second)).read_bytes()


def test_a_cut_of_the_real_files_reads(cut, shared_data):
    root = DataRoot(cut(shared_data, 5))
    for name, lang, split in (
        ("xnli", "ur", "test"), ("pawsx", "de", "test"), ("udpos", "kk", "test"),
        ("panx", "my", "dev"), ("xquad", "ro", "test"), ("mlqa", "zh", "dev"),
        ("tatoeba", "jv", "test"),
    ):  # fmt: skip
        data = root.read(root.tasks[name], lang, split)
        assert len(data) == 5 and data.labelled, name
    assert len(root.read(root.tasks["panx"], "en", "train")) == 5000


def test_the_commands_are_those_of_xlt(project, tmp_path):
    """An xlt that only checks the words: a flag that is gone is noticed before the training."""
    stub = tmp_path / "xlt"
    stub.write_text(
        f"#!{sys.executable}\nimport sys\nfrom click.testing import CliRunner\n"
        "from xlt.cli.main import xlt\n"
        "import click\nverb = xlt.get_command(click.Context(xlt), sys.argv[1])\n"
        "verb.make_context(sys.argv[1], sys.argv[2:])\nprint(*sys.argv[1:])\n"
    )
    stub.chmod(0o755)
    (tmp_path / "out/cut-9").mkdir(parents=True)
    (tmp_path / "out/cut-9/done").touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "e5").mkdir()
    (tmp_path / "e5/model.safetensors").touch()
    done = subprocess.run(
        ["bash", project / "benchmarks/verify.sh", tmp_path / "data", tmp_path / "out"],
        env={**os.environ, "XLT": str(stub), "PYTHON": sys.executable, "CUT": "9",
             "MODEL": str(tmp_path / "e5"), "TASKS": "tatoeba ntrex panx tydiqa xcopa"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    (tmp_path / "out/results").mkdir(exist_ok=True)
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stdout.splitlines() if line.startswith("eval ")]
    assert len(said) == 2 * 7


def test_the_table_has_a_line_a_task_and_encoder(project, tmp_path):
    cells = [
        {"task": "panx", "lang": lang, "score": score, "n": 9}
        for lang, score in (("en", 80.0), ("de", 60.0), ("my", 20.0))
    ]
    for encoder in ("compact", "e5"):
        folder = tmp_path / f"results/{encoder}-panx"
        folder.mkdir(parents=True)
        (folder / "results.json").write_text(json.dumps({"cells": cells}))
    command = [sys.executable, str(project / "benchmarks/verify.py"), "table", str(tmp_path)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[2:] == [
        f"| PAN-X dev, F1 | {encoder} | 80.0 | 40.0 | my 20.0 | de 60.0 | 3 | 9 |"
        for encoder in ("compact", "e5")
    ]
