"""Scores of all nine tasks against numbers counted by hand, and what surrounds them."""

import json
from dataclasses import replace

import pytest

from xlt.core.errors import CheckFailed, DataError, ModelError, UsageError
from xlt.core.kinds.table import KINDS
from xlt.core.metrics.score import score_file
from xlt.core.tasks.table import TASKS
from xlt.evalsuite import EvalConfig, evaluate
from xlt.evalsuite.report.results import Results

THIRD = 100 / 3
# task -> metric -> language -> percent, counted by hand from the files in conftest.py
EXPECTED = {
    "pawsx": {"accuracy": {"de": 50, "en": 100}},
    "xnli": {"accuracy": {"de": 2 * THIRD, "en": 100, "sw": 50}},
    "udpos": {"f1": {"de": 75, "en": 100}, "token_accuracy": {"de": 75, "en": 100}},
    "panx": {"f1": {"de": 50, "en": 100}, "token_accuracy": {"de": 50, "en": 100}},
    "xquad": {"exact_match": {"en": 100, "de": 50}, "f1": {"en": 100, "de": 250 / 3}},
    "mlqa": {"exact_match": {"en": 100, "de": 100}, "f1": {"en": 100, "de": 100}},
    "tydiqa": {"exact_match": {"en": 100}, "f1": {"en": 100}},
    "bucc2018": {"f1": {"de": 80}, "precision": {"de": 2 * THIRD}, "recall": {"de": 100}},
    "tatoeba": {"accuracy": {"de": 100, "sw": 50}},
}


@pytest.fixture(scope="module")
def whole(bundles, make, tmp_path_factory):
    """All tasks and languages, evaluated once; do not write into it."""
    folder = tmp_path_factory.mktemp("whole")
    return evaluate(bundles, make.root(folder / "root"), out=folder / "results")


def cell(results, task, lang):
    return next(c for c in results.cells if (c["task"], c["lang"]) == (task, lang))


def test_results_print_as_one_short_line(whole):
    text = repr(whole)
    assert text.startswith(f"Results({str(whole.path)!r}, {len(whole.cells)} cells: ")
    assert "pawsx 75.0" in text
    assert "\n" not in text
    assert len(text) < 400


def test_all_nine_tasks_have_the_scores_counted_by_hand(whole):
    found = {
        task: {metric: whole.record["tasks"][task][metric] for metric in metrics}
        for task, metrics in EXPECTED.items()
    }
    for task, metrics in EXPECTED.items():
        for metric, scores in metrics.items():
            assert found[task][metric] == pytest.approx(scores), (task, metric)


def test_means_over_some_languages_have_partial_names_and_right_values(whole):
    tasks = whole.record["tasks"]
    assert tasks["xnli"]["partial_avg_accuracy"] == pytest.approx((2 * THIRD + 100 + 50) / 3)
    assert tasks["xnli"]["partial_langs"] == ["de", "en", "sw"]
    assert tasks["xquad"]["partial_avg_exact_match"] == pytest.approx(75)
    assert tasks["xquad"]["partial_avg_f1"] == pytest.approx((100 + 250 / 3) / 2)
    mean = (75 + (100 + 250 / 3) / 2) / 2
    assert tasks["xquad"]["partial_avg_metric"] == pytest.approx(mean)
    for task in tasks.values():
        assert task["avg_metric"] is None
    means = [task["partial_avg_metric"] for task in tasks.values()]
    assert whole.record["partial_all_task"] == pytest.approx(sum(means) / 9)
    assert (whole.record["all_task"], whole.record["groups"]) == (None, {})
    groups = {"classification", "tagging", "qa", "retrieval"}
    assert set(whole.record["partial_groups"]) == groups
    assert whole.score("udpos") == pytest.approx(87.5)
    assert whole.is_partial("udpos")
    assert whole.score("udpos", "de") == pytest.approx(75)
    assert "xnli 72.2*" in repr(whole)


def test_a_task_with_all_official_languages_has_the_official_names(bundles, make, tmp_path):
    langs = TASKS["pawsx"].languages
    text = make.files["pawsx/test-de.tsv"]
    files = {f"pawsx/test-{lang}.tsv": text for lang in (*langs, "sw")}
    results = evaluate(bundles, make.root(tmp_path / "root", files), "pawsx", out=tmp_path / "r")
    found = results.record["tasks"]["pawsx"]
    assert (found["avg_accuracy"], found["extra_langs"]) == (50.0, ["sw"])
    assert not results.is_partial("pawsx")
    (tmp_path / "root/pawsx/test-ko.tsv").write_text("damaged")
    results = evaluate(bundles, tmp_path / "root", "pawsx", out=tmp_path / "r")
    found = results.record["tasks"]["pawsx"]
    assert (found["avg_accuracy"], found["partial_avg_accuracy"]) == (None, 50.0)


def test_families_are_means_over_their_languages(whole):
    families = whole.record["families"]["xnli"]
    assert families["family"]["Indo-European"] == {
        "mean": pytest.approx((2 * THIRD + 100) / 2), "langs": ["de", "en"],
    }  # fmt: skip
    assert families["indo_european"]["other"] == {"mean": 50.0, "langs": ["sw"]}


def test_missing_official_languages_are_listed(whole):
    missing = whole.record["missing"]
    assert missing["pawsx"] == ["es", "fr", "ja", "ko", "zh"]
    assert missing["bucc2018"] == ["fr", "ru", "zh"]


def test_a_file_without_labels_is_predicted_and_not_scored(whole):
    for task, lang in (("udpos", "sw"), ("tydiqa", "sw")):
        found = cell(whole, task, lang)
        assert (found["metrics"], found["score"]) == ({}, None)
        assert "unlabelled: predictions written, no score" in found["flags"]
        assert (whole.path / found["predictions"]).is_file()
    assert (whole.path / "predictions/udpos/test-sw.tsv").read_text() == "NOUN\n\nNOUN\nNOUN\n\n"


def test_predictions_have_the_official_layout(whole):
    folder = whole.path / "predictions"
    assert (folder / "xnli/test-de.tsv").read_text() == "entailment\ncontradiction\nneutral\n"
    assert (folder / "udpos/test-de.tsv").read_text() == "DET\nNOUN\nVERB\n\nNOUN\n\n"
    assert json.loads((folder / "xquad/test-de.json").read_text()) == {"q1": "Rhein", "q2": "zehn"}
    assert (folder / "tatoeba/test-sw.tsv").read_text() == "1\n3\n0\n2\n"
    pairs = (folder / "bucc2018/test-de.tsv").read_text().splitlines()
    assert sorted(pairs) == ["de-1\ten-2", "de-2\ten-1", "de-3\ten-3"]


def test_the_majority_tag_stands_beside_the_tagger(whole):
    assert cell(whole, "udpos", "en")["baseline"]["token_accuracy"] == pytest.approx(THIRD)
    assert cell(whole, "udpos", "de")["baseline"]["token_accuracy"] == pytest.approx(50)
    assert cell(whole, "udpos", "sw")["baseline"] == {}
    assert cell(whole, "panx", "en")["baseline"] == {}


def test_what_training_has_seen_is_flagged(whole):
    task, language = "task seen in training", "language seen in training"
    assert cell(whole, "xnli", "en")["flags"] == ["task seen in training in this language"]
    assert cell(whole, "xnli", "de")["flags"] == [task, language]
    assert cell(whole, "xnli", "sw")["flags"] == [task]
    assert cell(whole, "mlqa", "de")["flags"] == [language]


def test_training_data_that_nobody_declared_are_not_taken_for_unseen(make, root, tmp_path):
    model = make.bundle(tmp_path / "m", "udpos", trained_on={"declared": False})
    results = evaluate(model, root, langs="en", out=tmp_path / "r")
    assert cell(results, "udpos", "en")["flags"] == ["training data not declared"]


def test_bucc_takes_its_threshold_from_dev(whole):
    metrics = cell(whole, "bucc2018", "de")["metrics"]
    assert 1.0 < metrics["threshold"] < 3.4
    assert metrics["f1_test_tuned"] == pytest.approx(100)
    assert "f1_test_tuned" not in whole.record["tasks"]["bucc2018"]


def test_bucc_without_dev_has_only_the_tuned_number_under_its_own_name(bundles, root, tmp_path):
    for path in (root / "bucc2018").glob("*.dev.*"):
        path.unlink()
    results = evaluate(bundles, root, "bucc2018", out=tmp_path / "r")
    found = cell(results, "bucc2018", "de")
    assert found["score"] is None
    assert set(found["metrics"]) == {
        f"{name}_test_tuned" for name in ("f1", "precision", "recall", "threshold")
    }
    assert any("no dev set" in flag for flag in found["flags"])
    assert found["predictions"] is None
    assert "bucc2018" not in results.record["tasks"]


def test_bucc_dev_is_reported_as_tuned_on_itself(bundles, root, tmp_path):
    results = evaluate(bundles, root, "bucc2018", split="dev", out=tmp_path / "r")
    metrics = cell(results, "bucc2018", "de")["metrics"]
    assert metrics["f1_dev_tuned"] == pytest.approx(100)
    assert "f1" not in metrics


def test_bucc_without_gold_still_writes_pairs(bundles, root, tmp_path):
    (root / "bucc2018/de-en.test.gold").unlink()
    results = evaluate(bundles, root, "bucc2018", out=tmp_path / "r")
    found = cell(results, "bucc2018", "de")
    assert found["score"] is None
    assert len((tmp_path / "r" / found["predictions"]).read_text().splitlines()) == 3


def test_tatoeba_in_both_directions_keeps_the_official_number(bundles, root, tmp_path):
    results = evaluate(bundles, root, "tatoeba", both_directions=True, out=tmp_path / "r")
    assert cell(results, "tatoeba", "sw")["metrics"] == {
        "accuracy": pytest.approx(50), "accuracy_from_foreign": pytest.approx(50),
    }  # fmt: skip
    assert "accuracy_from_foreign" not in results.record["tasks"]["tatoeba"]


def test_use_lends_a_bundle_and_says_so(bundles, root, tmp_path):
    results = evaluate(bundles, root, "xquad", use={"xquad": "tydiqa"}, out=tmp_path / "r")
    found = cell(results, "xquad", "de")
    assert found["bundle"] == "tydiqa"
    assert found["metrics"]["exact_match"] == pytest.approx(50)
    assert "answered by tydiqa (--use)" in found["flags"]


def test_a_folder_of_one_kind_answers_only_its_tasks(bundles, root, tmp_path):
    results = evaluate(bundles / "xquad", root, out=tmp_path / "r")
    assert results.tasks == ["xquad", "mlqa"]


def test_a_default_task_without_data_is_left_out_and_recorded(bundles, make, tmp_path):
    some = {k: v for k, v in make.files.items() if k.startswith("tatoeba")}
    results = evaluate(bundles, make.root(tmp_path / "some", some), out=tmp_path / "r")
    assert results.tasks == ["tatoeba"]
    assert results.record["missing"]["bucc2018"] == ["de", "fr", "ru", "zh"]


def test_a_named_task_without_data_is_an_error_with_the_paths_tried(bundles, make, tmp_path):
    some = {k: v for k, v in make.files.items() if k.startswith("tatoeba")}
    root = make.root(tmp_path / "some", some)
    with pytest.raises(DataError, match=r"no test data of udpos .*udpos/test-af\.tsv"):
        evaluate(bundles, root, "tatoeba,udpos", out=tmp_path / "r")


def test_languages_are_chosen_by_the_grammar(bundles, root, tmp_path):
    results = evaluate(bundles, root, "xnli", "non-indo-european", out=tmp_path / "r")
    assert [c["lang"] for c in results.cells] == ["sw"]
    results = evaluate(bundles, root, "xnli", "all,-sw", out=tmp_path / "r")
    assert [c["lang"] for c in results.cells] == ["de", "en"]
    with pytest.raises(UsageError, match="did you mean"):
        evaluate(bundles, root, "xnli", "family:Uralik", out=tmp_path / "r")


def test_languages_of_the_root_itself_are_evaluated(bundles, make, tmp_path):
    table = [{"code": "qaa", "name": "Aa", "family": "Invented", "branch": "A", "script": "Latn",
              "constructed": True}]  # fmt: skip
    files = {"xnli/test-qaa.tsv": make.files["xnli/test-sw.tsv"],
             "languages.json": json.dumps(table)}  # fmt: skip
    results = evaluate(bundles, make.root(tmp_path / "own", files), "xnli", out=tmp_path / "r")
    assert results.record["tasks"]["xnli"]["accuracy"] == {"qaa": 50.0}
    assert results.record["languages"]["qaa"]["constructed"] is True
    assert results.record["missing"] == {}
    assert results.record["tasks"]["xnli"]["partial_avg_accuracy"] == 50.0


def test_languages_of_the_roots_table_that_are_gone_are_listed_as_missing(bundles, make, tmp_path):
    fields = {"family": "Invented", "branch": "A", "script": "Latn", "constructed": True}
    table = [{"code": code, "name": code, **fields} for code in ("en", "qaa", "qab")]
    files = {f"xnli/test-{code}.tsv": make.files["xnli/test-sw.tsv"] for code in ("en", "qaa")}
    files |= {"languages.json": json.dumps(table)}
    root = make.root(tmp_path / "own", files)
    results = evaluate(bundles, root, "all", out=tmp_path / "r")
    assert results.record["missing"]["xnli"] == ["qab"]
    assert results.record["missing"]["tatoeba"] == ["qaa", "qab"]
    assert evaluate(bundles, root, "xnli", "all,-qab", out=tmp_path / "r").record["missing"] == {}


def test_a_language_that_the_roots_table_adds_to_official_ones_is_missed_too(
    bundles, make, tmp_path
):
    table = [{"code": "qaa", "name": "Aa", "family": "F", "branch": "B", "script": "Latn"}]
    files = {"xnli/test-en.tsv": make.files["xnli/test-en.tsv"],
             "languages.json": json.dumps(table)}  # fmt: skip
    root = make.root(tmp_path / "own", files)
    results = evaluate(bundles, root, "xnli", "en,de,qaa", out=tmp_path / "r")
    assert results.record["missing"] == {"xnli": ["de", "qaa"]}


def test_batch_budget_and_threads_change_no_byte(bundles, root, tmp_path):
    for name, tokens, threads in (("a", 16, 1), ("b", 4096, 2)):
        evaluate(bundles, root, out=tmp_path / name, batch_tokens=tokens, threads=threads)
    one, two = (tmp_path / name / "results.json" for name in "ab")
    assert one.read_bytes() == two.read_bytes()


def test_a_failing_cell_leaves_the_others(bundles, root, tmp_path):
    (root / "xnli/test-sw.tsv").write_text("only one column\n")
    results = evaluate(bundles, root, "xnli", out=tmp_path / "r")
    assert [c["lang"] for c in results.cells] == ["de", "en"]
    (failure,) = results.failures
    assert (failure.task, failure.lang) == ("xnli", "sw")
    assert "test-sw.tsv" in failure.error
    assert "Traceback" in (tmp_path / "r/failed/xnli-test-sw.txt").read_text()
    assert results.record["failed"][0]["lang"] == "sw"


def test_a_mended_cell_forgets_its_failure(bundles, root, tmp_path, make):
    (root / "xnli/test-sw.tsv").write_text("only one column\n")
    evaluate(bundles, root, "xnli", out=tmp_path / "r")
    (root / "xnli/test-sw.tsv").write_text(make.files["xnli/test-sw.tsv"])
    results = evaluate(bundles, root, "xnli", out=tmp_path / "r")
    assert results.status == {"xnli/de": "kept", "xnli/en": "kept", "xnli/sw": "new"}
    assert not (tmp_path / "r/failed").exists()
    assert results.record["failed"] == []


def test_when_every_cell_fails_alike_the_error_is_theirs(bundles, root, tmp_path):
    (root / "xnli/test-sw.tsv").write_text("only one column\n")
    with pytest.raises(DataError, match=r"test-sw\.tsv"):
        evaluate(bundles, root, "xnli", "sw", out=tmp_path / "r")


def test_a_changed_byte_in_a_bundle_is_refused_before_any_work(make, root, tmp_path):
    model = make.bundle(tmp_path / "m", "udpos")
    graph = model / "onnx/model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"\0")
    with pytest.raises(ModelError, match="SHA-256"):
        evaluate(model, root, out=tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_a_precision_that_the_bundle_lacks_is_a_model_error(bundles, root, tmp_path):
    with pytest.raises(ModelError, match="no int8 variant"):
        evaluate(bundles, root, precision="int8", out=tmp_path / "r")


def test_the_training_root_of_a_run_is_the_default(make, root, tmp_path, monkeypatch):
    run = tmp_path / "xlt-run"
    make.bundle(run / "bundles/udpos", "udpos")
    record = {"schema": 1, "status": "done", "config": {"data": str(root)}, "lineage": {},
              "encoder": None, "targets": {}}  # fmt: skip
    (run / "run.json").write_text(json.dumps(record))
    monkeypatch.chdir(tmp_path)
    results = evaluate()
    assert results.path.resolve() == (run / "results").resolve()
    assert results.tasks == ["udpos"]


def test_results_open_again(whole, tmp_path):
    assert Results.open(whole.path).record == whole.record
    with pytest.raises(DataError, match=r"no results\.json"):
        Results.open(tmp_path)
    (tmp_path / "results.json").write_text('{"schema": 7}')
    with pytest.raises(DataError, match="schema 2"):
        Results.open(tmp_path)


def test_measured_times_are_beside_and_not_inside(whole):
    measured = json.loads((whole.path / "measured.json").read_text())
    assert measured["cells"]["xnli/test-de"]["seconds"] > 0
    assert "seconds" not in (whole.path / "results.json").read_text()


def test_choices_are_predicted_by_number(make, tmp_path):
    rows = [
        {"ctx_a": "x", "ctx_b": "x", "endings": ["x", "forty", "the", "dog"], "label": "1"},
        {"ctx_a": "x", "ctx_b": "x", "endings": ["zehn", "x", "the", "dog"], "label": "2"},
    ]
    text = "".join(json.dumps({"ind": n, **row}) + "\n" for n, row in enumerate(rows))
    root = make.root(tmp_path / "root", {"hellaswag/hellaswag_val.jsonl": text})
    model = make.bundle(tmp_path / "m", "hellaswag")
    results = evaluate(model, root, "hellaswag", split="dev", out=tmp_path / "r")
    assert results.score("hellaswag", "en") == 50
    assert (tmp_path / "r/predictions/hellaswag/dev-en.tsv").read_text() == "1\n0\n"


MINE = """\
name: mine
kind: pair
labels: [entailment, neutral, contradiction]
languages: [en, sw]
files: {test: "mine/{lang}.tsv"}
columns: {text_a: one, text_b: two, label: gold}
values: {e: entailment, n: neutral, c: contradiction}
"""


def test_a_users_task_is_evaluated_like_ours(bundles, make, tmp_path):
    files = {
        "mine/sw.tsv": "one\ttwo\tgold\nx yes\tx\te\nx no\tx\tn\n",
        "tasks/mine.yaml": MINE,
    }
    root = make.root(tmp_path / "root", files)
    results = evaluate(bundles, root, "mine", use={"mine": "xnli"}, out=tmp_path / "r")
    assert results.record["tasks"]["mine"]["partial_avg_accuracy"] == 50
    assert results.record["missing"] == {"mine": ["en"]}
    swapped = MINE.replace("e: entailment, n: neutral", "n: entailment, e: neutral")
    (root / "tasks/mine.yaml").write_text(swapped)
    again = evaluate(bundles, root, "mine", use={"mine": "xnli"}, out=tmp_path / "r")
    assert again.status == {"mine/sw": "redone: data changed"}
    assert again.score("mine") == 0


def test_how_many_items_are_given_at_once_changes_no_prediction(
    bundles, root, tmp_path, monkeypatch, whole
):
    for name, kind in KINDS.items():
        monkeypatch.setitem(KINDS, name, replace(kind, items_at_once=1))
    results = evaluate(bundles, root, out=tmp_path / "r")
    assert results.record == {**whole.record, "data": str(root.resolve())}


def test_a_configuration_and_a_keyword_call_are_the_same(bundles, root, tmp_path):
    config = EvalConfig(models=(bundles,), data=root, tasks="xnli", langs="en,sw",
                        out=tmp_path / "one")  # fmt: skip
    one = evaluate(config)
    two = evaluate(str(bundles), root, ["xnli"], "en,sw", out=str(tmp_path / "two"))
    assert one.record == two.record
    with pytest.raises(UsageError, match="whole configuration"):
        evaluate(config, langs="de")
    with pytest.raises(UsageError, match="no argument devise"):
        evaluate(bundles, root, devise="cpu")


def test_the_mistakes_of_a_configuration_are_told_at_once(bundles, root, tmp_path):
    with pytest.raises(UsageError, match=r"split 'train'.*needs --split test.*needs --against"):
        evaluate(bundles, root, split="train", submission=tmp_path / "s", max_drop=1.0)


def test_a_gate_of_the_configuration_is_checked_from_python_too(bundles, root, tmp_path):
    with pytest.raises(CheckFailed, match=r"xnli\.sw is 50, below 60"):
        evaluate(bundles, root, "xnli", out=tmp_path / "r", min_score="xnli.sw=60")
    assert Results.open(tmp_path / "r").score("xnli", "sw") == 50


def silent(make, folder, task):
    """A bundle whose score of "no answer" beats every answer."""
    table = make.tables()["xquad"].copy()
    table[2] = 50  # [CLS]
    return make.bundle(folder, "xquad", record=TASKS[task], table=table, answers=[task])


def test_a_task_whose_questions_all_have_answers_gets_answers_from_any_bundle(make, root, tmp_path):
    model = silent(make, tmp_path / "m", "squad2")
    results = evaluate(model, root, "xquad", use={"xquad": "m"}, out=tmp_path / "r")
    assert results.record["tasks"]["xquad"]["exact_match"] == {"en": 100, "de": 50}
    written = json.loads((tmp_path / "r/predictions/xquad/test-en.json").read_text())
    assert written == {"q1": "forty"}


def test_a_task_with_unanswerable_questions_allows_silence_to_any_bundle(make, tmp_path):
    text = make.squad(("s1", "x forty x", "forty"), ("s2", "x zehn x", None))
    root = make.root(tmp_path / "root", {"squad/dev-v2.0.json": text})
    model = silent(make, tmp_path / "m", "squad")
    results = evaluate(model, root, "squad2", use={"squad2": "m"}, split="dev", out=tmp_path / "r")
    assert cell(results, "squad2", "en")["metrics"]["no_answer_accuracy"] == 100


def official(results, task, lang, labels):
    """What `xlt score` says about the predictions of a results folder."""
    return score_file(
        TASKS[task], lang, results.path / f"predictions/{task}/test-{lang}.json", labels
    )


def test_two_questions_with_one_id_score_alike_in_eval_and_score(bundles, make, tmp_path):
    name = "xquad/xquad.en.json"
    text = make.squad(("q1", "x forty x", "forty"), ("q1", "x Rhein x", "Rhein"))
    root = make.root(tmp_path / "root", {name: text})
    results = evaluate(bundles, root, "xquad", out=tmp_path / "r")
    found = cell(results, "xquad", "en")
    assert (found["n"], found["metrics"]["exact_match"]) == (2, 50)
    assert official(results, "xquad", "en", root / name) == found["metrics"]


def test_an_empty_gold_text_scores_alike_in_eval_and_score(bundles, make, tmp_path):
    name = "xquad/xquad.en.json"
    value = json.loads(make.squad(("q1", "x forty x", "forty"), ("q2", "x zehn", "zehn"),
                                  ("q3", "x zehn", "zehn")))  # fmt: skip
    for place, texts in ((1, [""]), (2, ["", "zehn"])):
        answers = [{"text": text, "answer_start": 0} for text in texts]
        value["data"][0]["paragraphs"][place]["qas"][0]["answers"] = answers
    root = make.root(tmp_path / "root", {name: json.dumps(value)})
    results = evaluate(bundles, root, "xquad", out=tmp_path / "r")
    found = cell(results, "xquad", "en")["metrics"]
    assert found["exact_match"] == pytest.approx(200 / 3)
    assert official(results, "xquad", "en", root / name) == found


@pytest.mark.parametrize("labelled", [True, False])
def test_a_word_of_an_ideographic_space_does_not_end_a_sentence(make, tmp_path, labelled):
    words = [("dog", "NOUN"), ("\u3000", "PUNCT"), ("runs", "VERB")]
    text = "".join(f"{word}\t{tag}\n" if labelled else f"{word}\n" for word, tag in words) + "\n"
    root = make.root(tmp_path / "root", {"udpos/test-ja.tsv": text})
    model = make.bundle(tmp_path / "m", "udpos")
    evaluate(model, root, "udpos", out=tmp_path / "r")
    tags = (tmp_path / "r/predictions/udpos/test-ja.tsv").read_text()
    assert len(tags.splitlines()) == 4
    assert tags.splitlines()[3] == ""
