"""The table of kinds: complete, and old task records read as what they meant."""

import subprocess
import sys
from typing import get_args

import pytest

from xlt.core.kinds.base import Kind
from xlt.core.kinds.table import KINDS, PROTOCOLS, kind_of
from xlt.core.tasks.table import ADDED, GROUPS, TARGETS, TASKS, KindName, ProtocolName, Task


def test_every_name_has_its_record():
    assert {name: kind.name for name, kind in KINDS.items()} == {n: n for n in get_args(KindName)}
    assert set(PROTOCOLS) == set(get_args(ProtocolName))
    for name, kind in PROTOCOLS.items():
        assert (kind.name, kind.protocol) == ("embed", name)


@pytest.mark.parametrize("name", TASKS)
def test_a_record_of_the_first_version_reads_as_the_task_it_was(name):
    task = TASKS[name]
    old = {key: value for key, value in task.to_json().items() if key not in ADDED}
    assert Task.from_json(old) == task
    assert Task.from_json(task.to_json()) == task
    assert task.identity() == old  # what content keys were made of
    assert kind_of(task).metric == task.metric or task.metric not in {"bucc", "tatoeba"}


def test_a_record_with_an_unknown_field_is_refused():
    with pytest.raises(TypeError, match="colour"):
        Task.from_json({**TASKS["xnli"].to_json(), "colour": "red"})


def test_an_old_record_of_a_users_task_enters_no_suite():
    old = {"name": "mine", "kind": "embed", "role": "user", "metric": "tatoeba"}
    task = Task.from_json(old)
    assert (task.suite, task.protocol) == (None, "search")
    assert "mine" not in TARGETS


def test_the_groups_are_those_of_the_benchmark():
    assert {group: set(names) for group, names in GROUPS.items()} == {
        "classification": {"pawsx", "xnli"},
        "tagging": {"udpos", "panx"},
        "qa": {"xquad", "mlqa", "tydiqa"},
        "retrieval": {"bucc2018", "tatoeba"},
    }


def test_what_a_kind_cannot_do_says_so():
    with pytest.raises(NotImplementedError):
        KINDS["mlm"].gold([])
    assert isinstance(KINDS["mlm"], Kind)


@pytest.mark.slow
def test_an_unknown_kind_and_a_table_without_a_kind_fail_in_the_type_checker(tmp_path):
    file = tmp_path / "wrong.py"
    file.write_text(
        "from xlt.core.kinds.table import by_kind\n"
        "from xlt.core.tasks.table import Task\n"
        'Task(name="x", kind="pear")\n'
        "by_kind(pair=1, choice=1, tag=1, span=1, embed=1)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(file)],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert ':3: error: Argument "kind"' in done.stdout, done.stdout
    assert ':4: error: Missing named argument "mlm"' in done.stdout, done.stdout
