"""Cells are kept only while nothing they depend on has changed, and say why they are redone."""

import dataclasses
import json

import numpy as np
import pytest

from xlt.core.errors import UsageError
from xlt.core.files import sha256_json
from xlt.core.tasks.table import TASKS
from xlt.evalsuite.compute.cells import CellStore, Identity, Outcome
from xlt.evalsuite.compute.items import Items

ASKED = Identity(
    bundle="b1", data="d1", task="xnli", lang="sw", split="test", record={}, scorer="1",
    encoder="1",    precision="fp32", settings={"majority": "neutral"},
)  # fmt: skip
FOUND = Outcome(n=2, metrics={"accuracy": 50.0}, predictions=["neutral", "entailment"])
NAME = "predictions/xnli/test-sw.tsv"


def save(out, identity=ASKED, outcome=FOUND):
    return CellStore(out).save(identity, outcome, TASKS["xnli"], NAME)


def test_a_saved_cell_is_kept_with_its_numbers(tmp_path):
    record = save(tmp_path)
    state = CellStore(tmp_path).state(ASKED)
    assert state.text == "kept"
    assert state.record == record
    assert state.record["metrics"] == {"accuracy": 50.0}
    assert (tmp_path / NAME).read_text() == "neutral\nentailment\n"


def test_an_empty_folder_knows_no_cell(tmp_path):
    state = CellStore(tmp_path).state(ASKED)
    assert (state.text, state.record) == ("new", None)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"data": "d2"}, "data changed"),
        ({"bundle": "b2"}, "model changed"),
        ({"precision": "int8"}, "precision changed"),
        ({"scorer": "2"}, "scorer changed"),
        ({"encoder": "2"}, "encoder changed"),
        ({"record": {"labels": ["a"]}}, "task changed"),
        ({"settings": {}}, "settings changed"),
        ({"data": "d2", "bundle": "b2"}, "model changed, data changed"),
    ],
)
def test_a_changed_input_redoes_the_cell_and_says_which(tmp_path, change, why):
    save(tmp_path)
    state = CellStore(tmp_path).state(dataclasses.replace(ASKED, **change))
    assert (state.text, state.record) == (f"redone: {why}", None)


def test_another_language_is_new_not_redone(tmp_path):
    save(tmp_path)
    assert CellStore(tmp_path).state(dataclasses.replace(ASKED, lang="de")).text == "new"


def test_force_redoes_what_could_be_kept(tmp_path):
    save(tmp_path)
    assert CellStore(tmp_path).state(ASKED, force=True).text == "redone: asked by --force"


def test_changed_or_missing_predictions_are_noticed(tmp_path):
    save(tmp_path)
    (tmp_path / NAME).write_text("neutral\nneutral\n")
    assert CellStore(tmp_path).state(ASKED).text == "redone: predictions changed"
    (tmp_path / NAME).unlink()
    assert CellStore(tmp_path).state(ASKED).text == "redone: predictions missing"


@pytest.mark.parametrize("damage", ["truncate", "list", "schema", "parts", "score"])
def test_a_damaged_cell_file_is_not_believed(tmp_path, damage):
    save(tmp_path)
    path = tmp_path / "cells" / f"{ASKED.key}.json"
    record = json.loads(path.read_text())
    if damage == "truncate":
        path.write_text(path.read_text()[:-20])
    elif damage == "list":
        path.write_text("[1, 2]")
    elif damage == "schema":
        path.write_text(json.dumps({**record, "schema": 99}))
    else:
        if damage == "parts":
            record["parts"]["data"] = "other"
        else:
            record["metrics"]["accuracy"] = 99.0
        path.write_text(json.dumps(record))
    assert CellStore(tmp_path).state(ASKED).text == "redone: cell file damaged"


def test_changed_or_missing_items_are_noticed(tmp_path):
    items = Items(hashes=np.arange(2, dtype=np.uint64), counts=np.ones((2, 2)))
    save(tmp_path, outcome=dataclasses.replace(FOUND, items=items))
    assert CellStore(tmp_path).state(ASKED).text == "kept"
    path = tmp_path / "items/xnli/test-sw.npz"
    path.write_bytes(path.read_bytes() + b"x")
    assert CellStore(tmp_path).state(ASKED).text == "redone: items changed"
    path.unlink()
    assert CellStore(tmp_path).state(ASKED).text == "redone: items missing"
    save(tmp_path)
    assert CellStore(tmp_path).state(ASKED).text == "kept"


def test_a_cell_of_an_earlier_version_says_why_it_is_redone(tmp_path):
    save(tmp_path)
    path = tmp_path / "cells" / f"{ASKED.key}.json"
    record = json.loads(path.read_text())
    del record["items"], record["interval"], record["sha256"], record["parts"]["record"]
    key = sha256_json(record["parts"])
    body = {**record, "schema": 1, "key": key}
    path.unlink()
    (path.parent / f"{key}.json").write_text(json.dumps({**body, "sha256": sha256_json(body)}))
    assert CellStore(tmp_path).state(ASKED).text == "redone: task changed"


def test_a_redone_cell_replaces_the_old_file(tmp_path):
    save(tmp_path)
    newer = dataclasses.replace(ASKED, data="d2")
    save(tmp_path, newer)
    assert [path.stem for path in (tmp_path / "cells").iterdir()] == [newer.key]


def test_predictions_go_when_the_new_outcome_has_none(tmp_path):
    save(tmp_path)
    save(tmp_path, outcome=Outcome(n=2, metrics={}))
    assert not (tmp_path / NAME).exists()
    assert CellStore(tmp_path).state(ASKED).text == "kept"


def test_a_file_in_the_way_is_a_usage_error(tmp_path):
    (tmp_path / "predictions").write_text("in the way")
    with pytest.raises(UsageError, match="cannot write"):
        save(tmp_path)
