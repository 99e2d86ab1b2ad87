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
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == scored


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


def test_overall_is_the_mean_of_nine_tasks_not_of_four_groups():
    scores = {
        task: {
            name: {"en": 90.0 if task == "xnli" else 0.0}
            for name in ("accuracy", "f1", "exact_match")
        }
        for task in TARGETS
    }
    result = summarise(scores)
    assert result["all_task"] == pytest.approx(10.0)
    assert result["groups"] == {group: 45.0 * (group == "classification") for group in GROUPS}


def test_a_question_task_averages_its_two_scores_and_any_language_code_is_allowed():
    result = summarise({"mlqa": {"exact_match": {"qaa": 20.0, "qab": 40.0}, "f1": {"qaa": 60.0}}})
    assert result["tasks"]["mlqa"]["avg_metric"] == pytest.approx(45.0)
    assert (result["groups"], result["all_task"]) == ({}, None)
