"""MLQA's pairs of a context and a question in two languages: beside the official numbers."""

import json

import pytest

from xlt.core.errors import DataError, UsageError
from xlt.core.tasks.table import TASKS
from xlt.data import DataRoot
from xlt.evalsuite import evaluate
from xlt.evalsuite.report.cross import render_cross

MLQA = "mlqa/MLQA_V1/test/test-context-{}-question-{}.json"


@pytest.fixture
def paired(root, make):
    """de contexts with en questions: one of two right; en contexts with de questions: right."""
    texts = {
        ("de", "en"): make.squad(("m1", "x Rhein", "Rhein"), ("m2", "x zehn", "x")),
        ("en", "de"): make.squad(("m1", "x forty", "forty")),
        ("en", "ro"): make.squad(("m1", "x forty", "forty")),  # no language of MLQA
    }
    for languages, text in texts.items():
        (root / MLQA.format(*languages)).write_text(text)
    return root


def run(bundles, root, out, **settings):
    return evaluate(bundles, root, tasks="mlqa", out=out, threads=1, **settings)


def test_pairs_stand_apart_and_no_official_number_moves(bundles, paired, tmp_path):
    plain = run(bundles, paired, tmp_path / "plain").record
    record = run(bundles, paired, tmp_path / "cross", cross=True).record
    pairs = record.pop("cross")
    assert record == plain
    found = {(p["context"], p["question"]): (p["n"], p["score"]) for p in pairs["mlqa"]}
    assert found == {("en", "en"): (1, 100), ("de", "de"): (1, 100), ("de", "en"): (2, 50),
                     ("en", "de"): (1, 100)}  # fmt: skip
    assert all(p["interval"] is not None for p in pairs["mlqa"])
    for entry in pairs["mlqa"]:
        assert (tmp_path / "cross" / entry["predictions"]).is_file()


def test_pairs_are_kept_and_redone_as_other_cells(bundles, paired, tmp_path, capsys):
    out = tmp_path / "out"
    run(bundles, paired, out, cross=True)
    first = {p: p.read_bytes() for p in sorted(out.rglob("*.json")) if p.name != "measured.json"}
    stamps = {p: p.stat().st_mtime_ns for p in (out / "cells").iterdir()}
    capsys.readouterr()
    run(bundles, paired, out, cross=True)
    assert {p: p.read_bytes() for p in first} == first
    assert {p: p.stat().st_mtime_ns for p in (out / "cells").iterdir()} == stamps
    assert "stay in cells/" not in capsys.readouterr().err
    (paired / MLQA.format("de", "en")).write_text((paired / MLQA.format("en", "de")).read_text())
    changed = run(bundles, paired, out, cross=True).record["cross"]["mlqa"]
    pair = next(p for p in changed if (p["context"], p["question"]) == ("de", "en"))
    assert pair["n"] == 1
    assert len(list((out / "cells").iterdir())) == len(stamps)


def test_langs_choose_both_sides(bundles, paired, tmp_path):
    record = run(bundles, paired, tmp_path / "out", cross=True, langs="en,de,ar").record
    assert len(record["cross"]["mlqa"]) == 4
    with pytest.raises(DataError, match="no test file with context and question in two"):
        run(bundles, paired, tmp_path / "one", cross=True, langs="en")


def test_a_damaged_pair_fails_alone(bundles, paired, tmp_path):
    (paired / MLQA.format("de", "en")).write_text("{")
    results = run(bundles, paired, tmp_path / "out", cross=True)
    assert [str(f).partition(":")[0] for f in results.failures] == ["mlqa/de.question-en"]
    assert len(results.record["cross"]["mlqa"]) == 3


def test_without_a_task_that_has_pairs_it_is_a_usage_error(bundles, paired, tmp_path):
    with pytest.raises(UsageError, match="--cross: no pairs of languages in xnli"):
        evaluate(bundles, paired, tasks="xnli", out=tmp_path / "out", cross=True)


def test_the_table_has_contexts_down_and_questions_across(bundles, paired, tmp_path):
    record = run(bundles, paired, tmp_path / "out", cross=True).record
    lines = render_cross(record).splitlines()
    assert lines[0] == "mlqa  test  contexts down, questions across"
    rows = {line.split()[0]: line.split()[1:] for line in lines[3:5]}
    codes = lines[1].split()
    assert dict(zip(codes, rows["de"], strict=True)) == {"de": "100.0", "en": "50.0",
                                                         "others": "50.0"}  # fmt: skip


def test_the_command_writes_the_table(bundles, paired, run_xlt, tmp_path):
    done = run_xlt("eval", bundles, "--tasks", "mlqa", "--data", paired, "--cross", "--out", "o")
    assert done.returncode == 0, done.stderr
    tables = (tmp_path / "o/tables.txt").read_text()
    assert "contexts down, questions across" in tables
    dry = run_xlt("eval", bundles, "--tasks", "mlqa", "--data", paired, "--cross", "--out", "o",
                  "--dry-run", "--json")  # fmt: skip
    states = json.loads(dry.stdout)
    assert states["mlqa/de.question-en"] == "kept"


def test_the_real_files_of_mlqa_are_found(shared_data):
    found = DataRoot(shared_data).cross(TASKS["mlqa"], "dev")
    assert {("de", "en"), ("de", "es"), ("es", "de")} == set(found)
