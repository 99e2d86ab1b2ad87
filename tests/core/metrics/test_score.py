"""The official numbers, from the official scorer's output, and what stops a score."""

import json
import shutil

import pytest

from xlt.cli.score import score_text
from xlt.core.errors import DataError
from xlt.core.metrics.official import official_path, write_predictions
from xlt.core.metrics.score import score_file, score_folders, summarise
from xlt.core.tasks.table import GROUPS, TARGETS, TASKS

TOLERANCE = 1e-9


@pytest.fixture(scope="module")
def expected(oracle):
    return json.loads((oracle / "expected.json").read_text())


@pytest.fixture(scope="module")
def scored(oracle):
    return score_folders(oracle / "predictions", oracle / "labels")


def test_the_committed_oracle_is_the_delivered_one(oracle, shared_oracle):
    files = sorted(path.relative_to(oracle) for path in oracle.rglob("*") if path.is_file())
    assert len(files) == 373
    for name in files:
        assert (oracle / name).read_bytes() == (shared_oracle / name).read_bytes(), name


@pytest.mark.parametrize("task", TARGETS)
def test_every_official_number_of_a_task(expected, scored, task):
    wanted, found = expected["tasks"][task], scored["tasks"][task]
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, abs=TOLERANCE, rel=0), name
    per_language = {name for name, value in wanted.items() if isinstance(value, dict)}
    assert all(set(found[name]) == set(TASKS[task].languages) for name in per_language)
    assert set(found) - set(wanted) <= {"token_accuracy", "avg_token_accuracy"}


def test_groups_and_overall(expected, scored):
    found = scored["groups"] | {"all_task": scored["all_task"]}
    assert found == pytest.approx(expected["overall"], abs=TOLERANCE, rel=0)


def test_the_command_prints_the_same_numbers_as_json(run_xlt, oracle, scored):
    done = run_xlt("score", "--predictions", oracle / "predictions",
                   "--labels", oracle / "labels", "--json")  # fmt: skip
    assert done.returncode == 0
    assert json.loads(done.stdout) == scored
    assert "xnli/fr: predicted labels outside the set: 4, for example 'NEUTRAL'" in done.stderr
    assert "xquad/en: questions without a prediction (counted as wrong): 1" in done.stderr


def test_the_table_fits_eighty_columns_and_names_every_language(scored):
    lines = score_text(scored).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[2].startswith("udpos            69.60  f1 (precision 65.40")
    text = "\n".join(lines)
    for task in TARGETS:
        block = text.split(f"\n\n{task} ")[1].split("\n\n")[0]
        assert all(f"  {lang} " in block for lang in TASKS[task].languages)


def test_mock_files_of_the_benchmark(shared_data, tmp_path):
    """The collection has some of the mock languages; BUCC 2018 has all, at the published mean."""
    mock = shared_data / "xtreme_mock_labels"
    with pytest.raises(DataError, match=r"xnli/test-hi.tsv: no such file"):
        score_folders(mock / "predictions", mock / "labels")
    for side in ("predictions", "labels"):
        shutil.copytree(mock / side / "bucc2018", tmp_path / side / "bucc2018")
    only_bucc = score_folders(tmp_path / "predictions", tmp_path / "labels")
    assert only_bucc["tasks"]["bucc2018"]["avg_f1"] == pytest.approx(55.0, abs=TOLERANCE)
    assert (only_bucc["groups"], only_bucc["all_task"]) == ({}, None)
    files = 0
    for task in map(TASKS.get, TARGETS):
        for lang in task.languages:
            predictions = official_path(mock / "predictions", task, lang)
            if predictions.is_file():
                labels = official_path(mock / "labels", task, lang)
                scores = score_file(task, lang, predictions, labels)
                assert all(0 <= value <= 100 for value in scores.values())
                files += 1
    assert files > 100


def tree(folder, task, value):
    for lang in TASKS[task].languages:
        write_predictions(TASKS[task], official_path(folder, TASKS[task], lang), value)
    return folder


def test_a_task_with_a_folder_on_one_side_only_is_left_out(run_xlt, tmp_path):
    predictions = tree(tree(tmp_path / "p", "pawsx", ["0", "1"]), "xnli", ["neutral"])
    labels = tree(tmp_path / "l", "pawsx", ["0", "0"])
    done = run_xlt("score", "--predictions", predictions, "--labels", labels)
    assert done.returncode == 0
    assert "pawsx   50.00" in done.stdout
    assert "not scored, no folder on both sides: xnli" in done.stderr


def test_a_missing_language_file_is_exit_3_and_named(run_xlt, tmp_path):
    predictions = tree(tmp_path / "p", "pawsx", ["0"])
    labels = tree(tmp_path / "l", "pawsx", ["0"])
    (predictions / "pawsx" / "test-ko.tsv").unlink()
    done = run_xlt("score", "--predictions", predictions, "--labels", labels)
    assert done.returncode == 3
    assert done.stdout == ""
    error, hint = done.stderr.splitlines()
    assert error.startswith("error: ") and "p/pawsx/test-ko.tsv: no such file" in error
    assert hint.startswith("hint: ")


def test_a_short_file_is_named_with_line_and_counts(tmp_path):
    predictions = tree(tmp_path / "p", "pawsx", ["0", "1"])
    labels = tree(tmp_path / "l", "pawsx", ["0", "1", "1"])
    message = r"p/pawsx/test-de.tsv: 2 examples, but 3 in .*l/pawsx/test-de.tsv; .* line 3"
    with pytest.raises(DataError, match=message):
        score_folders(predictions, labels)


def test_a_short_sentence_is_named_with_line_and_counts(tmp_path):
    predictions = tree(tmp_path / "p", "panx", [["O", "O"], ["O"], ["O"]])
    labels = tree(tmp_path / "l", "panx", [["O", "O"], ["O", "O"], ["O"]])
    message = r"test-ar.tsv: line 4: sentence 2 has 1 tags, but 2 in .*test-ar.tsv \(line 4\)"
    with pytest.raises(DataError, match=message):
        score_folders(predictions, labels)


def test_a_missing_sentence_is_named_where_the_files_part(tmp_path):
    predictions = tree(tmp_path / "p", "panx", [["O"], ["O"]])
    labels = tree(tmp_path / "l", "panx", [["O"], ["O", "O"], ["O"]])
    message = r"2 sentences, but 3 in .*they part at line 3 \(labels: line 3\)"
    with pytest.raises(DataError, match=message):
        score_folders(predictions, labels)


def test_empty_sentences_of_a_label_file_are_no_mismatch(tmp_path):
    """Words with two empty lines in a row give predictions that lack the empty sentence."""
    labels, predictions = tmp_path / "labels.tsv", tmp_path / "predictions.tsv"
    labels.write_text("\nB-LOC\nI-LOC\n\n\nB-LOC\n\n\n")
    predictions.write_text("B-LOC\nO\n\nB-LOC\n\n")
    scores = score_file(TASKS["panx"], "vi", predictions, labels)
    assert scores["token_accuracy"] == pytest.approx(200 / 3)
    assert scores["f1"] == pytest.approx(50)
    labels.write_text("B-LOC\nI-LOC\n\nB-LOC\n\nO\n\n")
    with pytest.raises(DataError, match="2 sentences, but 3"):
        score_file(TASKS["panx"], "vi", predictions, labels)


def test_labels_without_answers_are_named(tmp_path):
    paths = tmp_path / "p.json", tmp_path / "l.json"
    paths[0].write_text("{}")
    paths[1].write_text('[{"paragraphs": [{"qas": [{"id": "q", "answers": []}]}]}]')
    with pytest.raises(DataError, match=r"l.json: question 'q' has no gold answer"):
        score_file(TASKS["tydiqa"], "en", *paths)


@pytest.mark.parametrize("side", ["p", "l"])
def test_folders_that_are_not_there_are_named(tmp_path, side):
    for name in {"p", "l"} - {side}:
        tree(tmp_path / name, "pawsx", ["0"])
    with pytest.raises(DataError, match=f"{side}: no such folder"):
        score_folders(tmp_path / "p", tmp_path / "l")


def test_folders_without_a_common_task_say_what_is_needed(tmp_path):
    predictions = tree(tmp_path / "p", "pawsx", ["0"])
    labels = tree(tmp_path / "l", "xnli", ["neutral"])
    with pytest.raises(DataError, match="no task folder in common"):
        score_folders(predictions, labels)


def whole(task, value=0.0, metrics=("accuracy", "f1", "exact_match")):
    return {name: dict.fromkeys(TASKS[task].languages, value) for name in metrics}


def test_overall_is_the_mean_of_nine_tasks_not_of_four_groups():
    scores = {task: whole(task, 90.0 if task == "xnli" else 0.0) for task in TARGETS}
    result = summarise(scores)
    assert result["all_task"] == pytest.approx(10.0)
    assert result["groups"] == {group: 45.0 * (group == "classification") for group in GROUPS}
    assert "partial_all_task" not in result
    assert "partial_groups" not in result


def test_a_mean_over_other_languages_never_has_an_official_name():
    scores = {"mlqa": {"exact_match": {"qaa": 20.0, "qab": 40.0}, "f1": {"qaa": 60.0}}}
    found = summarise(scores)["tasks"]["mlqa"]
    assert found["avg_metric"] is None
    assert found["avg_f1"] is None
    assert found["partial_avg_metric"] == pytest.approx(45.0)
    assert found["partial_langs"] == ["qaa", "qab"]


def test_languages_beyond_the_official_ones_stand_beside_the_official_mean():
    scores = whole("xquad", 50.0)
    for by_lang in scores.values():
        by_lang["ro"] = 100.0
    found = summarise({"xquad": scores})["tasks"]["xquad"]
    assert found["avg_metric"] == 50.0
    assert found["extra_langs"] == ["ro"]
    assert found["f1"]["ro"] == 100.0
    assert "partial_avg_metric" not in found


def test_a_language_that_failed_makes_the_task_its_group_and_the_overall_mean_partial():
    scores = {task: whole(task, 60.0) for task in TARGETS}
    del scores["pawsx"]["accuracy"]["ko"]
    result = summarise(scores)
    assert result["tasks"]["pawsx"]["avg_accuracy"] is None
    assert result["tasks"]["pawsx"]["partial_avg_accuracy"] == 60.0
    assert "ko" not in result["tasks"]["pawsx"]["partial_langs"]
    assert set(result["groups"]) == set(GROUPS) - {"classification"}
    assert result["partial_groups"] == {"classification": 60.0}
    assert (result["all_task"], result["partial_all_task"]) == (None, 60.0)


def test_constructed_languages_are_not_official_whatever_their_code():
    scores = {"mlqa": whole("mlqa", 70.0)}
    found = summarise(scores, constructed={"en"})["tasks"]["mlqa"]
    assert found["avg_metric"] is None
    assert found["partial_avg_metric"] == 70.0
    assert "en" in found["extra_langs"]


def test_a_chosen_part_is_scored_under_a_partial_name_and_marked(run_xlt, tmp_path):
    predictions = tree(tmp_path / "p", "pawsx", ["0", "1"])
    labels = tree(tmp_path / "l", "pawsx", ["0", "0"])
    (predictions / "pawsx" / "test-ko.tsv").unlink()
    command = ["score", "--predictions", predictions, "--labels", labels]
    done = run_xlt(*command, "--langs", "all", "--json")
    assert done.returncode == 0
    found = json.loads(done.stdout)["tasks"]["pawsx"]
    assert (found["avg_accuracy"], found["partial_avg_accuracy"]) == (None, 50.0)
    assert found["partial_langs"] == ["de", "en", "es", "fr", "ja", "zh"]
    text = run_xlt(*command, "--langs", "en,de", "--tasks", "pawsx").stdout
    assert "pawsx   50.00* accuracy" in text
    assert "* not all official languages: a partial mean, not an XTREME score" in text
    assert run_xlt(*command, "--langs", "en,ko").returncode == 3
    assert run_xlt(*command, "--langs", "kp").returncode == 2
    assert run_xlt(*command, "--tasks", "xnli").returncode == 3
    assert run_xlt(*command, "--tasks", "xnly").returncode == 2


def test_files_of_a_language_beyond_the_official_ones_are_scored_when_asked(tmp_path):
    predictions = tree(tmp_path / "p", "pawsx", ["0"])
    labels = tree(tmp_path / "l", "pawsx", ["0"])
    for folder, label in ((predictions, "1"), (labels, "0")):
        (folder / "pawsx/test-qaa.tsv").write_text(f"{label}\n")
    found = score_folders(predictions, labels, langs="all")["tasks"]["pawsx"]
    assert (found["avg_accuracy"], found["extra_langs"]) == (100.0, ["qaa"])
    assert found["accuracy"]["qaa"] == 0.0
    assert "qaa" not in score_folders(predictions, labels)["tasks"]["pawsx"]["accuracy"]


def test_a_users_task_is_scored_like_ours(run_xlt, tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "name: mine\nkind: pair\nlabels: [good, bad]\nlanguages: [en, sw]\n"
        'files: {test: "mine/{lang}.tsv"}\n'
    )
    for side, text in (("p", "good\nugly\n"), ("l", "good\nbad\n")):
        (tmp_path / side / "mine").mkdir(parents=True)
        for lang in ("en", "sw"):
            (tmp_path / side / "mine" / f"test-{lang}.tsv").write_text(text)
    done = run_xlt("score", "--predictions", tmp_path / "p", "--labels", tmp_path / "l",
                   "--task-file", tmp_path / "mine.yaml", "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["tasks"]["mine"]["avg_accuracy"] == 50.0
    assert "mine/sw: predicted labels outside the set: 1, for example 'ugly'" in done.stderr
    text = run_xlt("score", "--predictions", tmp_path / "p", "--labels", tmp_path / "l",
                   "--task-file", tmp_path / "mine.yaml", "--tasks", "mine").stdout  # fmt: skip
    assert text.splitlines()[0] == "mine   50.00  accuracy"


def qa(folder, task, questions, predictions):
    """Label and prediction files of every language of a task of questions."""
    paragraphs = [{"context": "", "qas": [{"id": name, "question": "", "answers": [{"text": text}]}
                                          for name, text in questions]}]  # fmt: skip
    for lang in TASKS[task].languages:
        for side, value in (("l", {"data": [{"paragraphs": paragraphs}]}), ("p", predictions)):
            path = official_path(folder / side, TASKS[task], lang)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(value))
    return folder / "p", folder / "l"


def test_a_number_as_question_id_finds_its_prediction(tmp_path):
    sides = qa(tmp_path, "xquad", [(44963, "b")], {"44963": "b"})
    assert score_folders(*sides)["tasks"]["xquad"]["avg_metric"] == 100.0


def test_two_questions_with_one_id_are_scored_as_the_official_script_does(tmp_path):
    questions = [("english-1-0", "cat"), ("english-1-0", "dog")]
    sides = qa(tmp_path, "tydiqa", questions, {"english-1-0": "the cat the dog"})
    found = score_folders(*sides)["tasks"]["tydiqa"]
    assert found["avg_exact_match"] == 0.0
    assert found["avg_f1"] == pytest.approx(200 / 3)


def test_questions_without_a_prediction_are_told_and_never_a_silent_zero(tmp_path):
    sides = qa(tmp_path, "tydiqa", [("q1", "x"), ("q2", "y")], {"q1": "x", "Q2": "y"})
    found = score_folders(*sides)
    assert found["tasks"]["tydiqa"]["avg_exact_match"] == 50.0
    assert found["notes"]["tydiqa"]["sw"] == [
        "questions without a prediction (counted as wrong): 1, for example 'q2'",
        "predictions for questions that the labels do not have: 1, for example 'Q2'",
    ]
