"""`xlt mine` as it is typed."""

import json
import subprocess
import sys

import pytest

SOURCE = "katze\nbaum\nmond\nregen\nkatze\n"
TARGET = "rain\ncat\ntree\nmoon\n"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "de.txt").write_text(SOURCE)
    (tmp_path / "en.txt").write_text(TARGET)
    return tmp_path


def test_mine_prints_what_it_did_and_writes_the_pairs(files, bundles, run_xlt):
    done = run_xlt("mine", "--model", bundles, "de.txt", "en.txt", "--out", "pairs.tsv")
    assert done.returncode == 0, done.stderr
    assert "source: 5 lines, 4 distinct texts, 0 blank" in done.stdout
    assert "pairs: 4, as 5 pairs of lines" in done.stdout
    rows = [row.split("\t") for row in (files / "pairs.tsv").read_text().splitlines()[1:]]
    assert {(row[1], row[2]) for row in rows} == {("1", "2"), ("5", "2"), ("2", "3"), ("3", "4"),
                                                  ("4", "1")}  # fmt: skip


def test_json_is_the_record_beside_the_pairs(files, bundles, run_xlt):
    (files / "sample.tsv").write_text("1\t2\n2\t3\n")
    done = run_xlt("mine", "--model", bundles / "encoder", "de.txt", "en.txt", "--out", "p.tsv",
                   "--labelled", "sample.tsv", "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record == json.loads((files / "p.tsv.json").read_text())
    assert record["on_sample"]["f1"] == 100


def test_a_prompt_of_the_bundle_stands_before_every_text(files, make, run_xlt):
    make.bundle(files / "e", "tatoeba", prompts={"query": "x ", "salty": "salz salz "})
    first = run_xlt("mine", "--model", "e", "de.txt", "en.txt", "--out", "a.tsv", "--prompt",
                    "salty", "--json")  # fmt: skip
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["prompt"] == "salz salz "
    run_xlt("mine", "--model", "e", "de.txt", "en.txt", "--out", "b.tsv")
    assert (files / "a.tsv").read_text() != (files / "b.tsv").read_text()
    make.bundle(
        files / "d", "tatoeba", prompts={"salty": "salz salz "}, default_prompt_name="salty"
    )
    again = run_xlt("mine", "--model", "d", "de.txt", "en.txt", "--out", "d.tsv", "--json")
    assert json.loads(again.stdout)["prompt"] == "salz salz "
    assert (files / "d.tsv").read_text() == (files / "a.tsv").read_text()
    unknown = run_xlt("mine", "--model", "e", "de.txt", "en.txt", "--out", "c.tsv", "--prompt", "q")
    assert unknown.returncode == 2
    assert "query, salty" in unknown.stderr


@pytest.mark.parametrize(
    ("model", "code", "text"),
    [("xnli", 4, "no bundle gives sentence vectors, only xnli (pair)"), ("nothing", 4, "no such")],
)
def test_a_model_that_gives_no_vectors_is_exit_4(files, bundles, run_xlt, model, code, text):
    done = run_xlt("mine", "--model", bundles / model, "de.txt", "en.txt", "--out", "p.tsv")
    assert done.returncode == code
    assert text in done.stderr


def test_out_is_not_overwritten_without_force(files, bundles, run_xlt):
    (files / "p.tsv").write_text("mine")
    arguments = ("mine", "--model", bundles, "de.txt", "en.txt", "--out", "p.tsv")
    assert run_xlt(*arguments).returncode == 2
    assert (files / "p.tsv").read_text() == "mine"
    assert run_xlt(*arguments, "--force").returncode == 0
    assert (files / "p.tsv").read_text() != "mine"


def test_mining_loads_faiss_for_an_index_only():
    code = (
        "import sys\n"
        "import xlt.evalsuite.mine.mining, xlt.evalsuite.mine_command\n"
        "assert 'faiss' not in sys.modules\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
