"""Paired tests of two results folders: rows of the common items, clusters, correction, words."""

import json

import numpy as np
import pytest

from xlt.core.stats.correction import holm
from xlt.core.stats.seeds import seed_effect
from xlt.evalsuite import evaluate
from xlt.evalsuite.compute.items import read_items
from xlt.evalsuite.report.against import render_comparison
from xlt.evalsuite.report.compare import compare, compare_runs
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
    tests = paired_tests(good, [bad], compared)["xnli"]
    raw = {"en": stats.binomtest(14, 14).pvalue, "sw": stats.binomtest(3, 3).pvalue}
    for (lang, p), adjusted in zip(raw.items(), holm(list(raw.values())), strict=True):
        assert tests.languages[lang].test.p == pytest.approx(p)
        assert tests.languages[lang].adjusted == pytest.approx(adjusted)
    assert tests.mean.difference.estimate == pytest.approx((70 + 15) / 2)


def test_the_words_say_what_the_test_is_about(two):
    good, bad = two
    compared = compare(good, bad)
    text = render_comparison(compared, paired_tests(good, [bad], compared), [bad])
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
    paired_tests(good, [bad], compare(good, bad))
    assert {path: path.stat().st_mtime_ns for path in bad.path.rglob("*")} == before


def test_items_are_paired_by_what_they_are_not_by_their_place(two, bundles, root, tmp_path):
    good, bad = two
    path = root / "xnli/test-en.tsv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(reversed(lines[2:])) + "\n")
    moved = evaluate(bundles / "xnli", root, tasks="xnli", langs="en", out=tmp_path / "moved")
    tests = paired_tests(moved, [bad], compare(moved, bad))["xnli"]
    assert tests.languages["en"].difference.clusters == 18
    assert tests.languages["en"].test.p == pytest.approx(stats.binomtest(12, 12).pvalue)
    same = paired_tests(moved, [good], compare(moved, good))["xnli"]
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
    tests = paired_tests(again, [found], compare(again, found))
    assert set(tests) == {"xquad", "tatoeba", "bucc2018"}
    assert all(test.mean.test.p == 1 for test in tests.values())
    record = comparison_record(compare(again, found), tests, [found])
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


def answers(make, folder, wrong):
    """A model whose table answers neutral for some of the words that it knew."""
    table = make.tables()["xnli"].copy()
    for word, factor in wrong.items():
        table[:, 1] += factor * (table[:, word] > 0)
    return make.bundle(folder, "xnli", table=table, name="xnli")


@pytest.fixture
def seeds(bundles, make, root, tmp_path):
    """One good model, and three seeds of a worse setting, on sentences of two sorts."""
    for lang, right in (("en", 14), ("sw", 11)):
        rows = [f"x {'x ' * n}yes\tx\tentailment" for n in range(right)]
        rows += [f"x {'x ' * n}no\tx\tcontradiction" for n in range(20 - right)]
        (root / f"xnli/test-{lang}.tsv").write_text("\n".join(rows) + "\n")
    options = {"tasks": "xnli", "langs": "en,sw"}
    good = evaluate(bundles / "xnli", root, out=tmp_path / "good", **options)
    runs = []
    for number, wrong in enumerate([{0: 11}, {2: 11}, {0: 11}], 1):
        model = answers(make, tmp_path / f"m{number}", wrong)
        out = tmp_path / "runs" / f"seed{number}" / "results"
        runs.append(evaluate(model, root, out=out, **options))
    return good, runs


def test_several_seeds_are_a_level_of_resampling(seeds):
    good, runs = seeds
    compared = compare_runs(good, runs)
    tests = paired_tests(good, runs, compared)["xnli"]
    tables = []
    for run in runs:
        here, there = (read_items(r.path / "items/xnli/test-sw.npz") for r in (good, run))
        assert (here.hashes == there.hashes).all()
        tables.append(np.concatenate([here.counts, there.counts], axis=1))

    def change(sums):
        return 100 * (sums[..., 0] / sums[..., 1] - sums[..., 2] / sums[..., 3])

    expected = seed_effect(np.stack(tables), change, np.random.default_rng(0))
    found = tests.languages["sw"]
    assert found.difference.estimate == pytest.approx(expected.interval.estimate)
    assert (found.difference.low, found.difference.high) == pytest.approx(
        (expected.interval.low, expected.interval.high)
    )
    raw = [found.test.p, tests.languages["en"].test.p]
    assert [found.adjusted, tests.languages["en"].adjusted] == pytest.approx(holm(raw))
    one = next(c for c in compared if c.lang == "sw")
    assert one.runs == (45.0, 55.0, 45.0) and one.before == pytest.approx(145 / 3)


def test_only_single_seeds_are_called_two_checkpoints(seeds):
    good, runs = seeds
    for some in (runs, runs[:1]):
        compared = compare_runs(good, some)
        tested = paired_tests(good, some, compared)
        words = " ".join(render_comparison(compared, tested, some).split())
        record = comparison_record(compared, tested, some)
        if len(some) == 1:
            assert "these two checkpoints" in words
            assert record["about"] == "these two checkpoints" and "runs" not in record["cells"][0]
        else:
            assert "two checkpoints" not in words and "a setting of 3 seeds" in words
            assert record["about"] == "this checkpoint against a setting of 3 seeds"
            assert record["cells"][0]["spread"] == pytest.approx(np.std([30, 70, 30], ddof=1))


def test_against_takes_several_folders_or_a_folder_of_runs(seeds, run_xlt, bundles, root, tmp_path):
    _, runs = seeds
    stamps = {p: p.stat().st_mtime_ns for r in runs for p in r.path.rglob("*")}
    command = ["eval", bundles / "xnli", "--tasks", "xnli", "--langs", "en,sw", "--data", root,
               "--out", tmp_path / "good"]  # fmt: skip
    named = [part for run in runs for part in ("--against", run.path)]
    texts = [run_xlt(*command, *more, "--json").stdout for more in (named, ["--against",
             tmp_path / "runs"])]  # fmt: skip
    assert texts[0] == texts[1]
    comparison = json.loads(texts[0])["comparison"]
    assert comparison["against"] == [str(run.path) for run in runs]
    assert next(c for c in comparison["cells"] if c["lang"] == "sw")["runs"] == [45, 55, 45]
    done = run_xlt(*command, "--against", tmp_path / "runs")
    assert done.returncode == 0, done.stderr
    assert "those 3, mean and spread: xnli 45.8 ± 14.4" in done.stdout
    text = (tmp_path / "good/comparison.txt").read_text()
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "task langs 1 2 3 mean spread here" in lines
    assert "xnli 2 37.5 62.5 37.5 45.8 14.4 100.0" in lines
    done = run_xlt(*command, "--against", tmp_path / "runs", "--max-drop", 0)
    assert done.returncode == 0, done.stderr
    assert {p: p.stat().st_mtime_ns for r in runs for p in r.path.rglob("*")} == stamps


def test_a_fall_below_the_mean_of_several_seeds_is_exit_5(seeds, run_xlt, root, tmp_path):
    good, runs = seeds
    done = run_xlt("eval", tmp_path / "m1", "--tasks", "xnli", "--langs", "en,sw", "--data", root,
                   "--out", runs[0].path, "--against", good.path, "--against", runs[1].path,
                   "--max-drop", 1, "--allow-missing")  # fmt: skip
    assert done.returncode == 5
    assert "xnli.sw fell by 32.50 (77.50 to 45.00)" in done.stderr


def test_a_folder_without_results_is_named(run_xlt, bundles, root, tmp_path):
    (tmp_path / "runs/one/results").mkdir(parents=True)
    done = run_xlt("eval", bundles / "xnli", "--tasks", "xnli", "--data", root,
                   "--against", tmp_path / "runs")  # fmt: skip
    assert done.returncode == 3 and "no results.json there" in done.stderr
