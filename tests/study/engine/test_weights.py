"""Weights that nothing needs any more: what goes, what stays, what is done again."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from xlt.core.errors import PartlyDone, UsageError
from xlt.study.commands import study
from xlt.study.engine.progress import Progress
from xlt.study.engine.remote import Outcome, Work, perform
from xlt.study.engine.run import cost_of, register
from xlt.study.engine.status import look
from xlt.study.engine.store import Store
from xlt.study.engine.weights import finished, removable, remove_weights, weights_of

PICKS = "evaluation: {picks: true}\nscales:\n"


def heavy(bench):
    """Labels of the stages that have weights."""
    plan, store = bench.plan(wider(bench)), bench.store()
    return {s.label for s in plan.stages.values() if s.verb == "train" and weights_of(store, s.id)}


def wider(bench):
    """The same study with one more target: its stages are among this one's."""
    return bench.text.replace("[xnli, udpos]", "[xnli, udpos, panx]")


def counts(bench):
    """Label and verb -> how often it was started."""
    plan = bench.plan(wider(bench))
    return {(plan.stages[name].verb, plan.stages[name].label): n
            for name, n in bench.counts().items()}  # fmt: skip


def test_a_study_that_drops_weights_keeps_its_scores_and_stays_done(bench):
    progress = bench.run(drop_weights=True)
    assert not progress.missing()
    assert not list((bench.folder / "store").rglob("*.safetensors"))
    assert progress.freed == sum(
        s.verb in ("train", "export") for s in progress.plan.stages.values()
    )
    assert list((bench.folder / "store").rglob("results.json"))
    assert cost_of(bench.plan(), bench.store())["stages"] == {}
    bench.run()
    bench.run("other", drop_weights=True)
    assert set(bench.counts().values()) == {1}
    assert set(look(bench.plan(), bench.store())["stages"]) >= {"done"}
    assert look(bench.plan(), bench.store())["cells"]["done"] == len(progress.plan.cells)


def test_without_being_asked_no_weights_go(bench):
    assert bench.run().freed == 0
    assert len(heavy(bench)) == 11


def test_what_a_stage_that_failed_needs_is_kept(bench):
    bench.set(fail="udpos")
    with pytest.raises(PartlyDone):
        bench.run(drop_weights=True)
    assert heavy(bench) == {"compact", "compact-mnli-i1", "compact-mnli-i2"}
    bench.set(fail="")
    assert not bench.run(drop_weights=True).missing()
    assert heavy(bench) == set()
    again = {label for (verb, label), n in counts(bench).items() if n > 1 and verb == "train"}
    assert all("udpos" in label for label in again), "what was there is not done again"


def test_what_another_study_still_needs_is_kept(bench):
    register(bench.plan(wider(bench)), bench.folder / "wider", bench.store())
    bench.run(drop_weights=True)
    assert heavy(bench) == {"compact", "compact-mnli-i1", "compact-mnli-i2"}
    bench.run("wider", wider(bench), drop_weights=True)
    assert heavy(bench) == set()
    assert set(bench.counts().values()) == {1}


def test_what_a_new_study_needs_is_done_again_and_nothing_else(bench, capsys):
    bench.run(drop_weights=True)
    left = cost_of(bench.plan(wider(bench)), bench.store())["stages"]
    again = {"compact", "compact-mnli-i1", "compact-mnli-i2"}
    plan = bench.plan(wider(bench))
    labels = {plan.stages[name].label for name in left}
    assert again < labels
    assert all(label in again or "panx" in label for label in labels)
    assert not bench.run("wider", wider(bench)).missing()
    assert "3 stages are done again: their weights were removed" in capsys.readouterr().err
    assert {label for (_, label), n in counts(bench).items() if n == 2} == again
    assert set(bench.counts().values()) == {1, 2}
    assert heavy(bench) >= again


def test_a_checkpoint_that_another_rule_picks_is_there_until_it_is_scored(bench):
    text = bench.text.replace("scales:\n", PICKS)
    progress = bench.run(text=text, drop_weights=True)
    assert len(progress.records) == len(progress.plan.stages)
    assert not list((bench.folder / "store").rglob("*.safetensors"))
    assert set(bench.counts().values()) == {1}


def everything(bench):
    """The store, and what could be removed of the finished study `out`."""
    plan, store = bench.plan(), bench.store()
    done = finished(plan, store)
    return store, removable(store, plan, done.__contains__, plan.stages)


def test_a_stage_that_is_in_use_keeps_its_weights(bench):
    bench.run()
    store, names = everything(bench)
    handle = store.hold(names[0])
    assert set(remove_weights(store, names)) == set(names) - {names[0]}
    store.let_go(names[0], handle)
    assert everything(bench)[1] == [names[0]]
    assert not store.is_dropped(names[0])


@pytest.mark.parametrize("last", ["mark_dropped", "plans", "disbelieve", "a file"])
def test_a_removal_that_is_killed_loses_nothing_and_is_finished_by_the_next(
    bench, monkeypatch, last
):
    bench.run()
    store, names = everything(bench)

    def killed(*given, **more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if last == "a file":
            patch.setattr(Path, "unlink", unlink_all_but(".safetensors"))
        else:
            patch.setattr(Store, last, killed)
        with pytest.raises(KeyboardInterrupt):
            remove_weights(store, names)
    assert len(finished(bench.plan(), store)) == len(bench.plan().stages)
    remove_weights(store, everything(bench)[1])
    assert everything(bench)[1] == []
    assert not list((bench.folder / "store").rglob("*.safetensors"))
    assert not bench.run("wider", wider(bench)).missing()


def unlink_all_but(suffix):
    real = Path.unlink

    def unlink(path, **more):
        if path.suffix == suffix:
            raise KeyboardInterrupt
        real(path, **more)

    return unlink


def test_two_that_remove_the_same_do_not_undo_each_other(bench):
    bench.run()
    store, names = everything(bench)
    remove_weights(store, names)
    assert remove_weights(store, names) == dict.fromkeys(names, 0)
    assert all(store.is_dropped(name) for name in names)
    assert not bench.run("wider", wider(bench)).missing()


def test_a_study_that_is_planned_in_between_keeps_what_it_needs(bench):
    bench.run()
    store, names = everything(bench)
    plan = bench.plan()
    register(bench.plan(wider(bench)), bench.folder / "wider", store)
    gone = {plan.stages[name].label for name in remove_weights(store, names)}
    assert heavy(bench) == {"compact", "compact-mnli-i1", "compact-mnli-i2"}
    assert not gone & heavy(bench)
    kept = [s for s in plan.stages.values() if s.label in heavy(bench) and s.verb == "train"]
    assert not any(store.dropped(stage) for stage in kept)


def test_a_study_whose_folder_is_not_seen_from_here_counts(bench):
    register(bench.plan(wider(bench)), bench.folder / "wider", bench.store())
    (bench.folder / "wider").rename(bench.folder / "elsewhere")
    bench.run(drop_weights=True)
    assert heavy(bench) == {"compact", "compact-mnli-i1", "compact-mnli-i2"}


@pytest.mark.parametrize("failing", ["none", "mnli", "panx"])
def test_a_finished_study_stays_so_while_another_does_its_stages_again(bench, failing):
    """What a redone training needs is missing for a while, or for good when that is given up."""
    bench.run(drop_weights=True)
    scored = sorted(path.name for path in (bench.folder / "out/cells").glob("*"))
    bench.set(fail=failing)  # the pretraining has `--target none`
    with pytest.raises(PartlyDone):
        bench.run("wider", wider(bench))
    shutil.rmtree(bench.folder / "wider")
    before = bench.counts()
    assert not bench.run().missing()
    assert bench.counts() == before, "nothing is done again for it"
    assert sorted(path.name for path in (bench.folder / "out/cells").glob("*")) == scored
    with pytest.raises(UsageError, match="the question cannot change"):
        register(bench.plan(bench.text.replace("tasks: [xnli]", "tasks: [udpos]")),
                 bench.folder / "out", bench.store())  # fmt: skip


def test_a_stage_that_is_begun_anew_has_nothing_of_the_old_one(bench, monkeypatch):
    bench.run(drop_weights=True)
    plan, store = bench.plan(wider(bench)), bench.store()
    stage = next(s for s in plan.stages.values() if s.label == "compact")
    assert (store.folder(stage) / "run/run.json").is_file()
    store.begin(stage, ["any"], [])
    assert not (store.folder(stage) / "run").exists()


FORGETTING = """\
study: 1
question: Does it help?
estimand: {kind: effect, arm: two, baseline: none, tasks: [xnli]}
base: {model: compact, steps: 9, forgetting: true}
arms:
  none: {}
  two: {intermediate: [mnli, squad]}
axes:
  targets: [xnli, udpos]
scales:
  demo: {world: tiny}
"""


def test_what_reads_more_than_its_base_waits_for_all_of_it(bench):
    """Forgetting reads the heads of all phases: the first was dropped, the second kept."""
    bench.set(fail="udpos")
    with pytest.raises(PartlyDone):
        bench.run(text=FORGETTING, drop_weights=True)
    two = "  two: {intermediate: [mnli, squad]}\n"
    three = "  three: {intermediate: [mnli, squad, hellaswag]}\n"
    text = FORGETTING.replace(two, two + three)
    bench.set(fail="", seconds=1)
    bench.log.write_text("")
    assert not bench.run("three", text, jobs=4).missing()
    names = {s.label: s.id for s in bench.plan(text).stages.values() if s.verb == "train"}
    lines = bench.log.read_text().splitlines()
    first, third = names["compact-mnli-i1"], names["compact-mnli-squad-hellaswag-i1"]
    assert lines.index(f"end {first}") < lines.index(f"start {third}")


def test_where_the_studies_cannot_be_read_weights_stay_and_the_study_goes_on(bench, capsys):
    note = bench.folder / "store/studies/0123456789abcdef.json"
    note.parent.mkdir(parents=True)
    note.write_text('{"out": "/nowhere/at/all"}')
    progress = bench.run(drop_weights=True)
    assert not progress.missing()
    assert progress.freed == 0
    assert capsys.readouterr().err.count("no more weights are removed: /nowhere") == 1
    assert len(heavy(bench)) == 11
    assert not list((bench.folder / "store/dropped").glob("*"))


def test_what_another_study_finished_and_dropped_meanwhile_is_not_done_again(bench):
    """It waited for the other's export, found it gone, and started it without its input."""
    register(bench.plan(), bench.folder / "second", bench.store())
    plan, store = bench.plan(), bench.store()
    second = Progress(plan=plan, store=store)
    trained = [s for s in plan.stages.values() if s.verb in ("world", "train")]
    bench.set(fail="--langs")  # the evaluations
    with pytest.raises(PartlyDone):
        bench.run()
    second.look(trained)
    bench.set(fail="")
    bench.run(drop_weights=True)
    waiting = second.ready()
    assert waiting
    second.look(waiting)
    assert not [stage for stage in waiting if stage.id not in second.records]
    work = Work(stage=waiting[0], needs=(), store=store.path)
    assert perform(work, Outcome(done=True)).done
    assert bench.counts()[waiting[0].id] == 1


def test_a_finished_study_drops_when_it_is_asked_again(bench):
    bench.run()
    assert bench.run(drop_weights=True).freed > 0
    assert heavy(bench) == set()


def test_as_it_is_typed(bench):
    plan = bench.run().plan
    store = str(bench.folder / "store")

    def typed(*words):
        done = CliRunner().invoke(study, ["prune", *words])
        assert done.exit_code == 0, done.output
        return done.stdout

    heavy_now = sum(s.verb in ("train", "export") for s in plan.stages.values())
    assert "there are no others" in typed(store)
    assert f"the weights of {heavy_now} stages, 0.0 MB would go" in typed(store, "--weights")
    told = json.loads(typed(store, "--weights", "--json"))
    assert {one["state"] for one in told["stages"]} == {"weights"}
    gone = typed(store, "--weights", "--yes")
    assert f"the weights of {heavy_now} stages, 0.0 MB removed" in gone
    assert "there are no others" in typed(store, "--weights")
    assert not list((bench.folder / "store").rglob("*.safetensors"))
    assert not list((bench.folder / "store/locks").iterdir())


def test_what_was_removed_is_told_at_the_end(bench, capsys, monkeypatch):
    monkeypatch.setattr("xlt.study.engine.progress.remove_weights", lambda *_: {"a": 10**9})
    bench.set(fail="udpos")
    with pytest.raises(PartlyDone):
        bench.run(drop_weights=True)
    assert "4.0 GB of weights removed that nothing needs any more" in capsys.readouterr().err


def test_a_stage_without_weights_that_no_plan_names_goes_whole(bench):
    bench.run("wider", wider(bench), drop_weights=True)
    bench.run()
    shutil.rmtree(bench.folder / "wider")
    done = CliRunner().invoke(study, ["prune", str(bench.folder / "store"), "--yes", "--json"])
    gone = json.loads(done.stdout)["stages"]
    assert {one["state"] for one in gone} == {"removed"}
    assert all("panx" in one["id"] for one in gone)
    assert len(gone) == 12
    assert not list((bench.folder / "store").rglob("*panx*"))


def test_a_store_behind_a_url_keeps_its_weights(bench):
    bench.plan()
    words = ["run", str(bench.folder / "one.yaml"), "--scale", "demo", "--out"]
    words += [str(bench.folder / "out"), "--store", "memory://x", "--engine", "ray"]
    done = CliRunner().invoke(study, [*words, "--drop-weights"])
    assert done.exception is not None
    assert "--drop-weights cannot go with a store behind a URL" in str(done.exception)
