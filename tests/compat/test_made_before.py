"""What earlier versions wrote still opens: bundles, runs, results and task files of 48bb2fa.

The files were written by that version's own code. `answers.json` holds what it predicted; the last
bits of a probability may differ between CPUs, so those are compared loosely.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import xlt
from xlt.core.artifacts.runs import Run
from xlt.core.errors import DataError
from xlt.core.tasks.examples import Choice, Pair, Question, Tagged
from xlt.core.tasks.table import TASKS
from xlt.data import DataRoot
from xlt.data.taskfile import load_task_file
from xlt.evalsuite.report.results import Results

HERE = Path(__file__).parent / "48bb2fa"
ITEMS = {
    "pair": [
        Pair(id="0", text_a="the cat sat on the mat", text_b="der Hund schläft"),
        Pair(id="1", text_a="狗睡在桌子底下", text_b="a brown fox"),
    ],
    "choice": [
        Choice(
            id="0",
            prompt="where did the river begin?",
            choices=("in the hills", "on the mat", "under the table"),
        )
    ],
    "tag": [
        Tagged(id="0", words=("the", "quick", "brown", "fox", "jumps")),
        Tagged(id="1", words=("собака", "спит", "под", "столом")),
    ],
    "span": [
        Question(
            id="q",
            question="where did the river begin?",
            context="it began in the hills of the north, where the cat sat on the mat.",
        )
    ],
    "embed": ["the cat sat on the mat", "ein Hund schläft unter dem Tisch"],
}


def answers(kind, predictions):
    """(names and places, numbers) of a list of predictions."""
    if kind == "pair":
        return [p.label for p in predictions], [p.probabilities for p in predictions]
    if kind == "choice":
        return [p.index for p in predictions], [p.probabilities for p in predictions]
    if kind == "tag":
        return [list(p.tags) for p in predictions], []
    if kind == "span":
        return [[p.text, p.start, p.end] for p in predictions], []
    return [], [vector[:8] for vector in predictions]


@pytest.mark.parametrize("kind", sorted(ITEMS))
def test_a_bundle_made_before_gives_the_same_answers(kind):
    kept = json.loads((HERE / "bundles" / "answers.json").read_text())[kind]
    engine = xlt.open(HERE / "bundles" / kind, device="cpu")
    names, numbers = answers(kind, engine.predict(ITEMS[kind]))
    if kind in {"pair", "choice"}:
        assert names == [row[0] for row in kept]
        np.testing.assert_allclose(numbers, [row[1] for row in kept], atol=1e-4)
    elif kind == "embed":
        np.testing.assert_allclose(numbers, kept, atol=1e-4)
    else:
        assert names == kept


def test_a_run_made_before_opens(tmp_path):
    shutil.copytree(HERE / "run", tmp_path / "run")
    run = Run.open(tmp_path / "run")
    assert run.status == "done"
    assert set(run.targets) == {"udpos", "xquad"}
    assert run.record["targets"]["xquad"]["serves"] == ["xquad", "mlqa"]
    assert TASKS["udpos"] == type(TASKS["udpos"]).from_json(run.record["targets"]["udpos"]["task"])


def test_results_made_before_open():
    results = Results.open(HERE / "results")
    record = json.loads((HERE / "results" / "results.json").read_text())
    assert len(results.cells) == len(record["cells"]) > 7
    for cell in record["cells"]:
        if cell["score"] is not None:
            assert results.score(cell["task"], cell["lang"]) == cell["score"]


def test_results_made_before_tell_no_items_to_compare_by():
    with pytest.raises(DataError, match="schema 2"):
        Results.open(HERE / "results", comparable=True)


def test_a_task_file_made_before_reads(tmp_path):
    user = load_task_file(HERE / "stance.yaml")
    assert (user.task.name, user.task.kind, user.task.role) == ("stance", "pair", "user")
    rows = "claim\ttitle\tbody\tside\nit rains\ta\tb\t-1\nit snows\tc\td\t1\n"
    (tmp_path / "stance").mkdir()
    (tmp_path / "stance" / "test-sw.tsv").write_text(rows)
    root = DataRoot(tmp_path, task_files=[HERE / "stance.yaml"])
    found = root.read(root.tasks["stance"], "sw", "test").examples
    assert [(e.text_a, e.text_b, e.label) for e in found] == [
        ("it rains", "a b", "against"),
        ("it snows", "c d", "for"),
    ]
