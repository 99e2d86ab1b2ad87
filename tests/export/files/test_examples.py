"""Examples for the playground: a few of constructed worlds, of others only when they are wanted."""

import json

import pytest

from xlt.core.errors import UsageError
from xlt.core.tasks.table import TASKS
from xlt.data import DataRoot
from xlt.export.files.examples import carried_examples

FORMS = {
    "xnli": {"text", "text_pair"},
    "udpos": {"words"},
    "xquad": {"question", "context"},
    "tatoeba": {"sources", "targets"},
}


@pytest.mark.parametrize("name", FORMS)
def test_a_constructed_world_gives_a_few_of_its_own(tiny_world, name):
    root, task = DataRoot(tiny_world), TASKS[name]
    answers = {"tatoeba": ("bucc2018", "tatoeba"), "xquad": ("xquad", "mlqa")}.get(name, (name,))
    found = carried_examples(root, task, answers, None)
    assert found["constructed"] is True
    assert 1 <= len(found["items"]) <= 4
    for item in found["items"]:
        assert set(item["input"]) == FORMS[name]
        assert "constructed" in item["language"]
        assert root.languages[item["lang"]].constructed
    json.dumps(found)


def test_an_example_is_a_dev_item_and_none_of_the_test_set(tiny_world):
    root, task = DataRoot(tiny_world), TASKS["xnli"]
    found = carried_examples(root, task, ("xnli",), 6)
    for item in found["items"]:
        dev = {(e.text_a, e.text_b) for e in root.read(task, item["lang"], "dev").examples}
        assert (item["input"]["text"], item["input"]["text_pair"]) in dev
    assert len(found["items"]) == 6


def test_real_languages_give_none_unless_they_are_asked(tiny_world, tmp_path):
    (tmp_path / "xnli").mkdir()
    source = next((tiny_world / "xnli").glob("dev-en.tsv"))
    (tmp_path / "xnli" / "dev-en.tsv").write_bytes(source.read_bytes())
    root, task = DataRoot(tmp_path), TASKS["xnli"]
    assert carried_examples(root, task, ("xnli",), None) is None
    asked = carried_examples(root, task, ("xnli",), 2)
    assert asked["constructed"] is False
    assert len(asked["items"]) == 2


def test_none_where_none_are_wanted_and_an_error_where_there_are_none(tiny_world):
    task = TASKS["xnli"]
    assert carried_examples(DataRoot(tiny_world), task, ("xnli",), 0) is None
    assert carried_examples(None, task, ("xnli",), None) is None
    with pytest.raises(UsageError, match="--examples 3: no data root"):
        carried_examples(None, task, ("xnli",), 3)
