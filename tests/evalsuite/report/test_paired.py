"""Paired tests of two results folders: rows of the common items, clusters, correction, words."""

import json

import numpy as np
import pytest

from xlt.core.stats.correction import holm
from xlt.evalsuite import evaluate
from xlt.evalsuite.compute.items import read_items
from xlt.evalsuite.report.against import render_comparison
from xlt.evalsuite.report.compare import compare
from xlt.evalsuite.report.paired import comparison_record, paired_tests
from xlt.evalsuite.report.results import Results

stats = pytest.importorskip("scipy.stats")  # the light environment has none
YES, NO = "x yes\tx\tentailment", "x no\tx\tneutral"


def write_xnli(root, lang, right, wrong):
    """Items that the lookup model answers right and wrong."""
    rows = [f"{row} " for row in [YES] * right + [NO] * wrong]
    numbered = [row.replace("x\t", f"x {'x ' * n}\t", 1).strip() for n, row in enumerate(rows)]
    (root / f"xnli/test-{lang}.tsv").write_text("\n".join(numbered) + "\n")


@pytest.fixture
def two(bundles, make, root, tmp_path):
    """A lookup model and one whose table says neutral for `yes`: results on the same files."""
    write_xnli(root, "en", 14, 6)
    write_xnli(root, "sw", 3, 17)
    worse = make.tables()["xnli"].copy()
    worse[:, 1] += 11 * (worse[:, 0] > 0)
    make.bundle(tmp_path / "worse", "xnli", table=worse, name="xnli")
    options = {"tasks": "xnli", "langs": "en,sw"}
    good = evaluate(bundles / "xnli", root, out=tmp_path / "good", **options)
    bad = evaluate(tmp_path / "worse", root, out=tmp_path / "bad", **options)
    return good, bad


def test_intervals_stand_in_results_and_hold_the_score(two):
    good, _ = two
    for cell in good.cells:
        bounds = cell["interval"]
        assert bounds["low"] < cell["score"] < bounds["high"]
        assert bounds["clusters"] == cell["n"] and bounds["method"] == "bca"


def test_the_results_name_their_data_root(two, root):
    assert two[0].record["data"] == str(root.resolve())


def test_each_language_is_mcnemars_test_corrected_by_holm(two):
    good, bad = two
    compared = compare(good, bad)
    tests = paired_tests(good, bad, compared)["xnli"]
    raw = {"en": stats.binomtest(14, 14).pvalue, "sw": stats.binomtest(3, 3).pvalue}
    for (lang, p), adjusted in zip(raw.items(), holm(list(raw.values())), strict=True):
        assert tests.languages[lang].test.p == pytest.approx(p)
        assert tests.languages[lang].adjusted == pytest.approx(adjusted)
    assert tests.mean.difference.estimate == pytest.approx((70 + 15) / 2)


def test_the_words_say_what_the_test_is_about(two):
    good, bad = two
    compared = compare(good, bad)
    text = render_comparison(compared, paired_tests(good, bad, compared), bad)
    assert "en +70.0*" in text and "sw +15.0" in text and "sw +15.0*" not in text
    assert "these two checkpoints" in " ".join(text.split()) and "detectable" in text
    assert max(map(len, text.splitlines()[1:])) <= 80


def test_the_comparison_is_in_the_json(two, run_xlt, bundles, root, tmp_path):
    _, bad = two
    done = run_xlt("eval", bundles / "xnli", "--tasks", "xnli", "--langs", "en,sw", "--data", root,
                   "--out", tmp_path / "good", "--against", bad.path, "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["cells"][0]["score"] == 70
    comparison = record["comparison"]
    assert comparison["about"] == "these two checkpoints"
    cell = next(c for c in comparison["cells"] if c["lang"] == "en")
    assert (cell["now"], cell["before"]) == (70, 0)
    assert cell["test"]["p"] == pytest.approx(stats.binomtest(14, 14).pvalue)
    assert comparison["means"]["xnli"]["difference"] == pytest.approx(42.5)


def test_comparing_writes_nothing_into_the_other_folder(two):
    good, bad = two
    before = {path: path.stat().st_mtime_ns for path in bad.path.rglob("*")}
    paired_tests(good, bad, compare(good, bad))
    assert {path: path.stat().st_mtime_ns for path in bad.path.rglob("*")} == before


def test_items_are_paired_by_what_they_are_not_by_their_place(two, bundles, root, tmp_path):
    good, bad = two
    path = root / "xnli/test-en.tsv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(reversed(lines[2:])) + "\n")
    moved = evaluate(bundles / "xnli", root, tasks="xnli", langs="en", out=tmp_path / "moved")
    tests = paired_tests(moved, bad, compare(moved, bad))["xnli"]
    assert tests.languages["en"].difference.clusters == 18
    assert tests.languages["en"].test.p == pytest.approx(stats.binomtest(12, 12).pvalue)
    same = paired_tests(moved, good, compare(moved, good))["xnli"]
    assert same.languages["en"].test.p == 1


def test_questions_of_a_paragraph_are_one_cluster_and_retrieval_pairs_its_queries(
    bundles, root, tmp_path
):
    question = {
        "id": "q",
        "question": "where is x",
        "answers": [{"text": "forty", "answer_start": 2}],
    }
    paragraphs = [
        {
            "context": f"x forty {'x ' * n}",
            "qas": [{**question, "id": f"{n}-{k}"} for k in range(3)],
        }
        for n in range(4)
    ]
    value = {"version": "1.1", "data": [{"title": "t", "paragraphs": paragraphs}]}
    (root / "xquad/xquad.en.json").write_text(json.dumps(value))
    found = evaluate(
        bundles, root, tasks="xquad,tatoeba,bucc2018", langs="en,sw,de", out=tmp_path / "r"
    )
    items = read_items(tmp_path / "r" / "items/xquad/test-en.npz")
    assert items.rows.clusters.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    cells = {(cell["task"], cell["lang"]): cell for cell in found.cells}
    assert cells["xquad", "en"]["interval"]["clusters"] == 4
    assert cells["tatoeba", "sw"]["interval"]["clusters"] == 4
    tatoeba = read_items(tmp_path / "r" / "items/tatoeba/test-sw.npz")
    assert tatoeba.counts.shape == (1, 0) and tatoeba.rows.counts[:, 0].sum() == 2
    assert cells["bucc2018", "de"]["interval"] is not None
    again = Results.open(tmp_path / "r")
    tests = paired_tests(again, found, compare(again, found))
    assert set(tests) == {"xquad", "tatoeba", "bucc2018"}
    assert all(test.mean.test.p == 1 for test in tests.values())
    record = comparison_record(compare(again, found), tests, found)
    json.dumps(record, allow_nan=False)


def test_unlabelled_cells_have_no_interval(bundles, root, tmp_path):
    found = evaluate(bundles, root, tasks="udpos", langs="sw", out=tmp_path / "r")
    assert [cell["interval"] for cell in found.cells] == [None]


def test_equal_cells_have_equal_intervals_bit_by_bit(bundles, root, tmp_path):
    one, two = (
        evaluate(bundles, root, tasks="xnli,panx", langs="en,de", out=tmp_path / name)
        for name in ("a", "b")
    )
    assert [c["interval"] for c in one.cells] == [c["interval"] for c in two.cells]
    items = [(r.path / "items/panx/test-de.npz").read_bytes() for r in (one, two)]
    assert items[0] == items[1] and np.array_equal(
        read_items(one.path / "items/panx/test-de.npz").rows.clusters, [0]
    )
