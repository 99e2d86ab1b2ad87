"""The studies that come with the package: every scale is read and planned, its commands parse."""

import click
import pytest

from xlt.cli.main import LazyGroup
from xlt.study.file.read import read_study, shipped
from xlt.study.file.tree import parse
from xlt.study.plan.estimate import Known, estimate
from xlt.study.plan.expand import make_plan
from xlt.study.plan.sources import WorldSource

NAMES = {
    "paper", "paper_mlm", "paper_translated", "families", "sequence_length", "reasoning",
    "data_scaling", "intermediate_language", "natural",
}  # fmt: skip
HALF_AN_HOUR = 30 * 60


def scales():
    for name, path in shipped().items():
        tree, _ = parse(path.read_text(), path.name)
        for scale in dict.fromkeys(["full", *(tree.fields["scales"].fields if "scales" in
                                              tree.fields else ())]):  # fmt: skip
            yield name, scale


def with_world(study):
    """A study of the full scale, planned on the world: no root has all it names."""
    from dataclasses import replace

    return study if study.world else replace(study, world=("small", 1))


def test_all_of_them_are_there():
    assert set(shipped()) >= NAMES


@pytest.mark.parametrize(("name", "scale"), list(scales()))
def test_it_is_read_and_planned_and_its_commands_parse(name, scale, monkeypatch):
    study = read_study(shipped()[name], scale)
    if study.world is None:  # the official data have more examples than the world
        monkeypatch.setattr(WorldSource, "count", lambda *_: 400_000)
    plan = make_plan(with_world(study), None, None)
    assert plan.cells
    verbs = {}
    for stage in plan.stages.values():
        verbs.setdefault((stage.verb, *(w for w in stage.argv if w.startswith("--"))), stage)
    for stage in verbs.values():
        command = LazyGroup().get_command(None, stage.verb)
        assert isinstance(command, click.Command)
        context = command.make_context(stage.verb, list(stage.argv[1:]))
        assert not context.args, stage.argv


@pytest.mark.parametrize("name", sorted(NAMES - {"natural"}))
def test_its_miniature_needs_no_data_and_has_one_seed_and_named_targets(name):
    study = read_study(shipped()[name], "demo")
    assert study.world is not None
    assert (study.seeds.intermediate, study.seeds.target) == (1, 1)
    text = shipped()[name].read_text()
    assert f"xlt study run {name} --data ROOT" in text
    plan = make_plan(study, None, None)
    cost = estimate(plan, Known(rates={}, sizes={}))
    assert cost["seconds"] / 2 <= HALF_AN_HOUR, cost["seconds"]


@pytest.mark.parametrize("name", sorted(NAMES - {"natural"}))
def test_it_offers_controls_at_equal_updates(name):
    study = read_study(shipped()[name])
    assert "longer" in {arm.control for arm in study.arms}


def test_the_control_of_the_best_arm_has_as_many_seeds_to_choose_from():
    study = read_study(shipped()["paper"])
    plan = make_plan(with_world(study), None, None)
    units = {
        arm: {cell.unit for cell in plan.cells if (cell.arm, cell.target) == (arm, "xnli")}
        for arm in ("none", "mnli")
    }
    assert len(units["none"]) == 10 * len(units["mnli"]) == 50


def test_xcopa_is_answered_by_a_head_that_was_tuned_on_another_task():
    plan = make_plan(with_world(read_study(shipped()["reasoning"])), None, None)
    cell = next(c for c in plan.cells if c.target == "xcopa")
    train, export, scored = (plan.stages[cell.stages[v]] for v in ("train", "export", "eval"))
    assert train.argv[train.argv.index("--intermediate") + 1] == "csqa"
    assert export.argv[1].endswith("/run/phases/1-csqa")
    assert "xcopa=csqa" in scored.argv
