"""Arms whose intermediate data hold the target's own training data are marked."""

import shutil

import pytest

from xlt.core.tasks.table import INTERMEDIATE
from xlt.study.file.read import read_study
from xlt.study.plan.expand import make_plan
from xlt.study.plan.samedata import data_sets

FILE = """\
study: 1
question: Which arms see the target's own training data?
estimand: {kind: effect, arm: each, baseline: none}
base: {model: compact}
arms:
  none: {}
ARMS
  all: {intermediate: [all]}
  joint: {joint: squad}
  longer: {intermediate: [mnli], control: longer}
  shuffled: {intermediate: [mnli], control: shuffled}
  other: {intermediate: [mnli], train_split: {mnli: FILE}}
axes:
  targets: [all]
scales:
  demo: {world: tiny}
""".replace("ARMS", "\n".join(f"  {name}: {{intermediate: [{name}]}}" for name in INTERMEDIATE))


def marks(folder, scale="demo", data=None, text=FILE):
    path = folder / "one.yaml"
    path.write_text(text.replace("FILE", "multinli_1.0/multinli_1.0_dev_matched.jsonl"))
    plan = make_plan(read_study(path, scale), data, folder / "store")
    return {(cell.arm, task) for cell in plan.cells for task in cell.same_data}


BY_RECORD = {
    *((arm, "xnli") for arm in ("mnli", "anli+", "all", "shuffled")),
    *((arm, task) for arm in ("squad", "squad2", "all", "joint") for task in ("xquad", "mlqa")),
}


def test_by_task_record(tmp_path):
    assert marks(tmp_path) == BY_RECORD


def test_data_sets_of_joined_and_extended_tasks():
    assert {"mnli", "snli"} <= data_sets("anli+")
    assert data_sets("squad2") == {"squad2", "squad"}
    assert data_sets("qqp") == {"qqp"}


@pytest.fixture
def copied(tmp_path, tiny_world):
    root = tmp_path / "root"
    shutil.copytree(tiny_world, root)
    return root


def test_by_hashed_text(tmp_path, copied):
    before = marks(tmp_path, "full", copied)
    assert ("qqp", "pawsx") not in before
    assert before >= BY_RECORD
    train = copied / "pawsx" / "train-en.tsv"
    qqp = copied / "QQP" / "train.tsv"
    header, *rows = qqp.read_text().splitlines()
    pairs = [line.split("\t") for line in train.read_text().splitlines()]
    names = header.split("\t")
    at = [names.index(name) for name in ("question1", "question2", "is_duplicate")]
    for number, pair in enumerate(pairs):
        fields = [str(100000 + number)] * len(names)
        for place, value in zip(at, pair, strict=True):
            fields[place] = value
        rows.append("\t".join(fields))
    qqp.write_text("\n".join([header, *rows]) + "\n")
    assert ("qqp", "pawsx") in marks(tmp_path, "full", copied)
