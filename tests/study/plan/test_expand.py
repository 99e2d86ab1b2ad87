"""From a study to cells and stages: what is shared, what pairs, what keys depend on."""

import shutil
from collections import Counter

import pytest

from xlt.core.errors import DataError, UsageError
from xlt.data.root import DataRoot
from xlt.study.file.read import read_study
from xlt.study.plan.expand import make_plan
from xlt.study.plan.records import Plan

FILE = """\
study: 1
question: Does it help?
estimand: {kind: effect, arm: mnli, baseline: none, tasks: [xnli]}
base: {model: compact, steps: 9}
arms:
  none: {}
  mnli: {intermediate: [mnli]}
  two: {intermediate: [mnli, squad]}
  joint: {joint: mnli}
  longer: {intermediate: [mnli], control: longer}
axes:
  targets: [xnli, xquad, mlqa, encoder]
  seeds: {intermediate: 2, target: 2}
scales:
  demo: {world: tiny}
"""


@pytest.fixture
def planned(tmp_path):
    def plan(text=FILE, scale="demo", data=None):
        path = tmp_path / "one.yaml"
        path.write_text(text)
        return make_plan(read_study(path, scale), data, None)

    return plan


def cells_of(plan, **wanted):
    return [c for c in plan.cells if all(getattr(c, k) == v for k, v in wanted.items())]


def test_cells_pair_by_unit(planned):
    plan = planned()
    assert len(plan.cells) == len({cell.id for cell in plan.cells})
    one = {c.unit: c for c in cells_of(plan, arm="mnli", target="xnli")}
    base = {c.unit: c for c in cells_of(plan, arm="none", target="xnli")}
    assert sorted(one) == sorted(base) == [1, 2, 3, 4]
    assert [one[u].intermediate_seed for u in (1, 2, 3, 4)] == [1, 1, 2, 2]
    assert all(base[u].intermediate_seed is None for u in base)
    assert all(one[u].target_seed == base[u].target_seed == u for u in one)


def test_an_arm_may_have_fewer_seeds_and_they_are_the_first(planned):
    plan = planned(FILE.replace("  mnli: {", "  mnli: {seeds: 1, ", 1))
    one = {c.unit: c for c in cells_of(plan, arm="mnli", target="xnli")}
    assert sorted(one) == [1, 2]  # two target seeds for each intermediate seed
    assert {c.intermediate_seed for c in one.values()} == {1}
    whole = {c.unit: c for c in cells_of(planned(), arm="mnli", target="xnli")}
    assert all(one[u].stages == whole[u].stages for u in one)
    base = cells_of(plan, arm="none", target="xnli")
    assert [c.unit for c in base] == [1, 2, 3, 4]


def test_stages_are_shared(planned):
    plan = planned()
    facts = Counter(s.facts["phase"] for s in plan.stages.values() if s.verb == "train")
    assert facts["pretrain"] == 1
    assert facts["intermediate"] == 2 + 2  # mnli, then squad on top of it, for two seeds
    assert facts["target"] == 5 * 2 * 4  # xquad and mlqa are one training
    xquad = cells_of(plan, arm="mnli", target="xquad", unit=1)[0]
    mlqa = cells_of(plan, arm="mnli", target="mlqa", unit=1)[0]
    assert xquad.stages["train"] == mlqa.stages["train"]
    assert xquad.stages["eval"] != mlqa.stages["eval"]


def test_needs_stand_before_what_needs_them(planned):
    seen = set()
    for stage in planned().stages.values():
        assert set(stage.needs) <= seen
        seen.add(stage.id)


def test_arms_without_an_encoder_of_their_own_are_left_out_and_named(planned):
    plan = planned()
    assert not cells_of(plan, arm="joint", target="encoder")
    assert not cells_of(plan, arm="longer", target="encoder")
    assert [text.split(":")[0] for text in plan.left_out] == [
        "joint x encoder",
        "longer x encoder",
    ]
    assert len(cells_of(plan, arm="two", target="encoder")) == 2


def test_the_control_longer_has_no_phase_of_its_own(planned):
    plan = planned()
    cell = cells_of(plan, arm="longer", target="xnli", unit=1)[0]
    words = plan.stages[cell.stages["train"]].argv
    assert "--control" in words
    assert "--intermediate" in words
    assert cell.intermediate_seed is None


def test_names_of_arms_and_order_are_no_part_of_a_key(planned):
    other = FILE.replace("  mnli: {inter", "  nli: {inter").replace("arm: mnli", "arm: nli")
    assert planned(other).stages.keys() == planned().stages.keys()


def test_what_changes_a_result_changes_its_key_and_those_after_it(planned):
    before, after = planned(), planned(FILE.replace("steps: 9", "steps: 10"))
    kept = before.stages.keys() & after.stages.keys()
    assert {before.stages[name].verb for name in kept} == {"world"}
    other = planned(FILE.replace("world: tiny", "world: {size: tiny, seed: 2}"))
    assert not before.stages.keys() & other.stages.keys()


def test_a_data_root_decides_keys_by_its_content_not_its_place(planned, tmp_path, tiny_world):
    first = planned(scale="full", data=tiny_world)
    moved = tmp_path / "elsewhere"
    shutil.copytree(tiny_world, moved)
    assert planned(scale="full", data=moved).stages.keys() == first.stages.keys()
    squad = next((moved / "squad").glob("train*"))
    squad.write_text(squad.read_text() + " ")
    other = planned(scale="full", data=moved)
    # the compact encoder's vocabulary is learnt from all English training data
    assert not first.stages.keys() & other.stages.keys()


def test_a_plan_is_read_back_as_it_was_written(planned, tmp_path):
    plan = planned()
    plan.write(tmp_path)
    again = Plan.open(tmp_path)
    assert (again.hash, again.cells, again.stages) == (plan.hash, plan.cells, dict(plan.stages))


def test_forgetting_is_asked_of_later_phases_alone_and_changes_no_other_key(planned):
    asked = FILE.replace("steps: 9", "steps: 9, forgetting: true")
    before, after = planned().stages, planned(asked).stages
    told = {name for name, stage in after.items() if "--forgetting" in stage.argv}
    assert {after[name].label for name in told} == {
        "compact-mnli-squad-i1",
        "compact-mnli-squad-i2",
    }
    new = after.keys() - before.keys()
    assert told <= new
    assert all(after[name].label.startswith("compact-mnli-squad") for name in new)
    alone = FILE.replace("[mnli, squad]}", "[mnli, squad], forgetting: true}")
    assert planned(alone).stages.keys() == after.keys()


def test_a_phase_that_measures_forgetting_reads_all_phases_before_it(planned):
    text = FILE.replace("[mnli, squad]}", "[mnli, squad, ccg]}")
    for asked in (False, True):
        if asked:
            text = text.replace("steps: 9", "steps: 9, forgetting: true")
        plan = planned(text)
        third = next(s for s in plan.stages.values() if s.label == "compact-mnli-squad-ccg-i1")
        read = {plan.stages[name].label for name in plan.reads(third)}
        assert ("compact-mnli-i1" in read) is asked
        assert "compact-mnli-squad-i1" in read


def test_what_is_scored_and_not_in_the_root_is_told_before_anything_runs(
    planned, tmp_path, tiny_world
):
    """A natural study trained for minutes, then an evaluation found no test set of PAN-X."""
    root = tmp_path / "root"
    shutil.copytree(tiny_world, root)
    for path in [*root.glob("xquad/*test*"), *root.glob("xquad/*.json"), *root.glob("mlqa/test/*")]:
        path.unlink(missing_ok=True)
    with pytest.raises(DataError, match="no test data of xquad"):
        planned(scale="full", data=root)
    scored = FILE.replace("targets: [xnli, xquad, mlqa, encoder]", "targets: [panx]").replace(
        ", tasks: [xnli]", ""
    )
    for path in root.glob("panx/test*"):
        path.unlink()
    with pytest.raises(DataError, match="no test data of panx, which one needs"):
        planned(scored, scale="full", data=root)
    plan = planned(f"{scored}evaluation: {{split: {{panx: dev}}}}\n", scale="full", data=root)
    words = [stage.argv for stage in plan.stages.values() if stage.verb == "eval"]
    assert all(w[w.index("--split") + 1] == "dev" for w in words)


def test_training_data_that_are_missing_are_told_before_anything_runs(
    planned, tmp_path, tiny_world
):
    """A study without MultiNLI trained its baseline, and was estimated to cost next to nothing."""
    root = tmp_path / "root"
    shutil.copytree(tiny_world, root)
    (moved,) = root.glob("squad/train*")
    file = moved.rename(root / f"kept-{moved.name}")
    text = FILE.replace("[xnli, xquad, mlqa, encoder]", "[xnli]")
    with pytest.raises(DataError, match="no English training data of squad, which one needs"):
        planned(text, scale="full", data=root)
    for data in (root, None):
        more = text.replace("steps: 9", "steps: 9, train_examples: 151")
        more = more.replace("  two: {intermediate: [mnli, squad]}\n", "")
        with pytest.raises(DataError, match=r"no 151 English training examples of mnli \(there ar"):
            planned(more, scale="full" if data else "demo", data=data)
    two = "two: {intermediate: [mnli, squad]"
    assert planned(text.replace(f"  {two}}}\n", ""), scale="full", data=root).cells
    given = text.replace(two, f"{two}, train_split: {{squad: {file.name}}}")
    assert planned(given, scale="full", data=root).cells


@pytest.mark.parametrize(("scale", "langs", "there"), [
    ("demo", "de,sw", False), ("demo", "qaa", True), ("demo", "qaa,xx", True),
    ("full", "de", False), ("full", "qba", True), ("full", "family:Alder", True),
    ("full", "family:Uralic", False), ("full", "-en", True),
])  # fmt: skip
def test_a_question_about_languages_that_nobody_scores_is_refused(
    planned, tiny_world, scale, langs, there
):
    """It could not be answered, and not be corrected once cells were finished."""
    text = FILE.replace("tasks: [xnli]", f"tasks: [xnli], languages: '{langs}'")
    data = tiny_world if scale == "full" else None
    if there:
        assert planned(text, scale, data).cells
        return
    with pytest.raises(UsageError, match="selects no language of xnli"):
        planned(text, scale, data)


def test_examples_of_a_task_that_only_its_file_knows_are_not_said_to_be_missing(planned, tmp_path):
    text = FILE.replace("steps: 9", "steps: 9, task_file: [own.yaml]")
    text = text.replace("{intermediate: [mnli]}", "{intermediate: [own], train_examples: 100}", 1)
    assert planned(text).cells


def test_an_oracle_needs_dev_sets_in_other_languages_and_is_left_out_without(planned, tiny_world):
    text = FILE.replace("scales:\n", "evaluation: {picks: true}\nscales:\n")
    text = text.replace("[xnli, xquad, mlqa, encoder]", "[xnli, tydiqa, encoder]")
    of_world = planned(text)
    told = [reason for reason in of_world.left_out if "oracle" in reason]
    assert told == ["target-dev oracle x tydiqa: no dev set in another language"]
    assert planned(text, "full", tiny_world).left_out == of_world.left_out
    names = {cell.target: list(cell.picks) for cell in of_world.cells}
    assert names["xnli"] == ["last checkpoint", "target-dev oracle"]
    assert names["tydiqa"] == ["last checkpoint"]
    assert names["encoder"] == []


def test_a_split_of_one_task_leaves_the_others_alone(planned):
    before = planned().stages
    after = planned(f"{FILE}evaluation: {{split: {{mlqa: dev}}}}\n").stages
    asked = {name for name, stage in after.items() if "--split" in stage.argv}
    assert {after[name].argv[after[name].argv.index("--tasks") + 1] for name in asked} == {"mlqa"}
    assert after.keys() - before.keys() == asked


def test_the_encoder_of_a_model_from_outside_has_a_folder_of_its_own_below_bundles(planned):
    """`export MODEL --out bundles` left bundles/xlt.json, where a stage's bundles/*/xlt.json is."""
    plan = planned(FILE.replace("model: compact, steps: 9", "model: org/model"))
    cell = cells_of(plan, arm="none", target="encoder")[0]
    words = plan.stages[cell.stages["export"]].argv
    assert words[1] == "org/model"
    assert words[words.index("--out") + 1].endswith("/bundles/encoder")
    trained = plan.stages[cells_of(plan, arm="mnli", target="encoder")[0].stages["export"]].argv
    assert trained[trained.index("--out") + 1].endswith("/bundles")


def test_tasks_that_are_scored_in_one_go_have_one_split(planned):
    with pytest.raises(UsageError, match="bucc2018, tatoeba are scored in one go"):
        planned(f"{FILE}evaluation: {{split: {{tatoeba: dev}}}}\n")
    stages = planned(f"{FILE}evaluation: {{tasks: tatoeba, split: {{tatoeba: dev}}}}\n").stages
    words = [stage.argv for stage in stages.values() if "--split" in stage.argv]
    assert {one[one.index("--tasks") + 1] for one in words} == {"tatoeba"}


def test_a_split_of_a_task_that_is_not_known_is_a_mistake(planned):
    """It was read and did nothing."""
    with pytest.raises(UsageError, match=r"task 'mlqq' is not known; did you mean 'mlqa'"):
        planned(f"{FILE}evaluation: {{split: {{mlqq: dev}}}}\n")


def test_files_that_are_scored_are_looked_for_once_a_study(planned, tiny_world, monkeypatch):
    looked = []
    found = DataRoot.langs
    monkeypatch.setattr(
        DataRoot, "langs", lambda self, *what: (looked.append(what), found(self, *what))[1]
    )
    planned(scale="full", data=tiny_world)
    tests = [(task.name, split) for task, split in looked if split == "test"]
    assert tests and len(tests) == len(set(tests))
