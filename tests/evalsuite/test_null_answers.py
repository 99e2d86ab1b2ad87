"""Questions without an answer: allowed where the task that is asked allows them, and only there."""

import json

import pytest

from xlt.evalsuite import evaluate

TASK = """\
name: faq
kind: span
null_answer: true
languages: [en, de]
files:
  test: faq/test-{lang}.json
"""
# (id, context, answer): [CLS] scores 2 for no answer, an answer word 20 for itself
EN = [("q1", "x forty x", "forty"), ("q2", "x x", ""), ("q3", "x Rhein", ""), ("q4", "x x x", "x")]


def squad2(questions):
    paragraphs = [
        {
            "context": context,
            "qas": [
                {
                    "id": name, "question": "where is x", "is_impossible": not answer,
                    "answers": [{"text": answer, "answer_start": context.index(answer)}]
                    if answer else [],
                }
            ],
        }
        for name, context, answer in questions
    ]  # fmt: skip
    return json.dumps({"version": "v2.0", "data": [{"title": "t", "paragraphs": paragraphs}]})


@pytest.fixture
def doubtful(make, root, tmp_path):
    """A model that rather says nothing where no answer word stands; a root with such questions."""
    table = make.tables()["xquad"].copy()
    table[2] = 1  # [CLS]
    model = make.bundle(tmp_path / "m", "xquad", answers=["xquad"], table=table)
    (root / "tasks").mkdir()
    (root / "tasks/faq.yaml").write_text(TASK)
    (root / "faq").mkdir()
    (root / "faq/test-en.json").write_text(squad2(EN))
    (root / "faq/test-de.json").write_text(squad2([("d1", "x x", ""), ("d2", "zehn", "zehn")]))
    return model


def answers(results, task, lang):
    return json.loads((results.path / f"predictions/{task}/test-{lang}.json").read_text())


def test_a_task_with_null_answers_is_scored_with_both_parts(doubtful, root, tmp_path):
    found = evaluate(doubtful, root, tasks="faq", use={"faq": "m"}, out=tmp_path / "r")
    # q3 has no answer, but an answer word: given; q4 has one, but none is seen
    assert answers(found, "faq", "en") == {"q1": "forty", "q2": "", "q3": "Rhein", "q4": ""}
    cells = {cell["lang"]: cell["metrics"] for cell in found.cells}
    assert cells["en"]["exact_match"] == 50 and cells["en"]["no_answer_accuracy"] == 50
    assert cells["en"]["has_answer_exact_match"] == 50
    assert cells["de"]["exact_match"] == cells["de"]["no_answer_accuracy"] == 100
    assert found.scores("faq") == {"en": 50, "de": 100}
    assert found.cells[0]["interval"] is not None


def test_the_same_model_answers_always_where_the_asked_task_has_no_null_answer(
    doubtful, root, make, tmp_path
):
    (root / "xquad/xquad.en.json").write_text(make.squad(("q2", "x x", "x")))
    found = evaluate(
        doubtful, root, tasks="xquad,faq", langs="en", use={"faq": "m"}, out=tmp_path / "r"
    )
    assert answers(found, "xquad", "en")["q2"] != "" == answers(found, "faq", "en")["q2"]
    assert "no_answer_accuracy" not in found.record["tasks"]["xquad"]


def test_squad2s_own_dev_set_runs_through_eval_and_is_in_the_tables(
    doubtful, root, tmp_path, run_xlt
):
    folder = root / "squad2"
    folder.mkdir()
    (folder / "dev-v2.0.json").write_text(squad2(EN))
    done = run_xlt("eval", doubtful, "--tasks", "squad2", "--use", "squad2=m", "--split", "dev",
                   "--data", root, "--out", tmp_path / "r", "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    (cell,) = json.loads(done.stdout)["cells"]
    assert cell["metrics"]["no_answer_accuracy"] == 50
    rows = [line.split() for line in (tmp_path / "r/tables.txt").read_text().splitlines()]
    assert ["no_answer_accuracy", "50.0"] in rows
