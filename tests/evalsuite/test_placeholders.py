"""Test files whose labels carry nothing: predictions are written, no score is made up."""

import json

import pytest

from xlt.evalsuite import evaluate

EMPTY = {"context": "x Rhein x", "qas": [
    {"id": n, "question": "where is x", "answers": [{"text": "", "answer_start": 0}]}
    for n in ("q1", "q2")
]}  # fmt: skip
CASES = {
    "xnli": ("xnli/test-sw.tsv", "x yes\tx\tneutral\nx no\tx\tneutral\n", "sw"),
    "pawsx": ("pawsx/test-de.tsv", "x same\tx\t0\nx\tother\t0\n", "de"),
    "udpos": ("udpos/test-de.tsv", "der\tNOUN\nhund\tNOUN\n\nhund\tNOUN\n\n", "de"),
    "panx": ("panx/test-de.tsv", "Ada\tO\nin\tO\nBonn\tO\n\nBonn\tO\n\n", "de"),
    "xquad": (
        "xquad/xquad.de.json",
        json.dumps({"version": "1.1", "data": [{"title": "t", "paragraphs": [EMPTY]}]}),
        "de",
    ),
}


@pytest.mark.parametrize("task", CASES)
def test_placeholder_labels_give_predictions_and_no_score(bundles, root, tmp_path, task):
    name, text, lang = CASES[task]
    (root / name).write_text(text)
    results = evaluate(bundles, root, tasks=task, out=tmp_path / "out", threads=1)
    (cell,) = [c for c in results.record["cells"] if c["lang"] == lang]
    assert cell["metrics"] == {}
    assert cell["score"] is cell["interval"] is cell["items"] is None
    assert "unlabelled: predictions written, no score" in cell["flags"]
    assert (tmp_path / "out" / cell["predictions"]).read_text().strip()
    assert lang not in results.scores(task)
    scores = results.record["tasks"][task]
    assert lang not in json.dumps(scores.get("partial_langs", []))


def test_placeholders_do_not_stand_in_for_a_gate(bundles, root, tmp_path, run_xlt):
    name, text, lang = CASES["xnli"]
    (root / name).write_text(text)
    done = run_xlt("eval", bundles, "--tasks", "xnli", "--data", root, "--out", tmp_path / "out",
                   "--min-score", f"xnli.{lang}=1")  # fmt: skip
    assert done.returncode == 5
    assert "unlabelled: predictions written, no score" in done.stdout
