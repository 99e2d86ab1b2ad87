"""Which bundle answers which task, and every mistake named at once."""

import pytest

from xlt.core.artifacts.bundle import Bundle
from xlt.core.errors import UsageError
from xlt.evalsuite.plan.choose import assign, parse_use


@pytest.fixture(scope="module")
def opened(bundles):
    return [Bundle.open(path.parent, verify=False) for path in sorted(bundles.glob("*/xlt.json"))]


def only(opened, *names):
    return [bundle for bundle in opened if bundle.name in names]


def test_all_means_what_the_bundles_answer_in_the_benchmarks_order(opened):
    assignments = assign(only(opened, "encoder", "xquad", "xnli"), "all", {})
    pairs = [(assignment.task.name, assignment.bundle.name) for assignment in assignments]
    assert pairs == [("xnli", "xnli"), ("xquad", "xquad"), ("mlqa", "xquad"),
                     ("bucc2018", "encoder"), ("tatoeba", "encoder")]  # fmt: skip


def test_an_unanswered_task_names_the_bundle_that_could(opened):
    with pytest.raises(UsageError, match="no bundle answers xquad") as caught:
        assign(only(opened, "tydiqa", "xnli"), "xnli,xquad", {})
    assert caught.value.hint == "--use xquad=tydiqa"


def test_an_unanswered_task_without_help_points_to_training(opened):
    with pytest.raises(UsageError, match="no bundle answers udpos") as caught:
        assign(only(opened, "xnli"), "udpos", {})
    assert caught.value.hint == "train and export it: xlt train --target udpos"


def test_two_bundles_for_one_task_need_use(opened, make, tmp_path):
    second = Bundle.open(make.bundle(tmp_path / "other", "xnli", name="mine"))
    both = [*only(opened, "xnli"), second]
    with pytest.raises(UsageError, match="2 bundles answer xnli: xnli mine") as caught:
        assign(both, "all", {})
    assert "--use xnli=xnli" in caught.value.hint
    (assignment,) = assign(both, "all", {"xnli": "mine"})
    assert (assignment.bundle.name, assignment.overridden) == ("mine", False)


def test_bundles_of_one_name_are_told_apart_by_folder(opened, make, tmp_path):
    second = Bundle.open(make.bundle(tmp_path / "again", "xnli", name="xnli"))
    both = [*only(opened, "xnli"), second]
    with pytest.raises(UsageError, match="2 bundles have that name"):
        assign(both, "all", {"xnli": "xnli"})
    (assignment,) = assign(both, "all", {"xnli": str(tmp_path / "again")})
    assert assignment.bundle is second


def test_use_adds_a_task_to_the_default_ones(opened):
    assignments = assign(only(opened, "tydiqa"), "all", {"xquad": "tydiqa"})
    assert [(d.task.name, d.overridden) for d in assignments] == [
        ("xquad", True),
        ("tydiqa", False),
    ]


@pytest.mark.parametrize(
    ("use", "message"),
    [
        ({"xquad": "udpos"}, "udpos is of kind tag, not span"),
        ({"xquad": "tydika"}, "no bundle 'tydika'; did you mean 'tydiqa'"),
        ({"xnli": "pawsx"}, r"pawsx has other labels \(0 1\)"),
        ({"mlqa": "xquad"}, "--use names mlqa, which --tasks does not"),
        ({"xkwad": "tydiqa"}, "unknown task 'xkwad'; did you mean 'xquad'"),
    ],
)
def test_a_use_that_cannot_work_is_refused(opened, use, message):
    tasks = "xquad,xnli" if not use.keys() & {"mlqa"} else "xnli"
    with pytest.raises(UsageError, match=message):
        assign(opened, tasks, use)


def test_all_mistakes_come_at_once(opened):
    with pytest.raises(UsageError, match=r"2 mistakes: .*no bundle answers.*no bundle answers"):
        assign(only(opened, "xnli"), "udpos,tatoeba", {})


def test_an_unknown_task_gets_a_suggestion(opened):
    with pytest.raises(UsageError, match="did you mean 'tatoeba'"):
        assign(opened, "tatoba", {})


def test_intermediate_models_are_not_targets(make, tmp_path):
    table = make.tables()["xnli"]
    model = Bundle.open(make.bundle(tmp_path / "mnli", "mnli", table=table))
    with pytest.raises(UsageError, match="answer no target task, only mnli"):
        assign([model], "all", {})
    assert assign([model], "mnli", {})[0].task.name == "mnli"
    assert assign([model], "xnli", {"xnli": "mnli"})[0].overridden


def test_use_is_read_from_repeated_and_comma_lists():
    assert parse_use(["xquad=tydiqa, mlqa=tydiqa", "xnli=a"]) == {
        "xquad": "tydiqa", "mlqa": "tydiqa", "xnli": "a",
    }  # fmt: skip
    with pytest.raises(UsageError, match="2 mistakes: --use 'xquad' is not TASK=NAME; --use gives"):
        parse_use(["xquad", "xnli=a,xnli=b"])
