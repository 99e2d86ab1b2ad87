"""Weights that nothing needs any more: what goes, what stays, what is done again."""

import json

import pytest
from click.testing import CliRunner

from xlt.core.errors import PartlyDone
from xlt.study.commands import study
from xlt.study.engine.run import cost_of, register
from xlt.study.engine.status import describe, look
from xlt.study.engine.weights import plans_of, remove_weights, spare, weights_of

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


def test_a_stage_that_is_in_use_keeps_its_weights(bench):
    plan, store = bench.run().plan, bench.store()
    names = spare(store, plans_of(store))
    handle = store.hold(names[0])
    assert set(remove_weights(store, names)) == set(names) - {names[0]}
    store.let_go(names[0], handle)
    assert spare(store, [plan]) == [names[0]]
    assert not store.is_dropped(names[0])


def test_a_removal_that_was_interrupted_is_finished_by_the_next(bench, monkeypatch):
    bench.run()
    store = bench.store()
    names = spare(store, plans_of(store))
    store.mark_dropped(names[0])
    assert list(remove_weights(store, names)) == names
    assert spare(store, plans_of(store)) == []


def test_a_study_that_is_planned_in_between_keeps_what_it_needs(bench, monkeypatch):
    plan, store = bench.run().plan, bench.store()
    names = spare(store, [plan])
    register(bench.plan(wider(bench)), bench.folder / "wider", store)
    gone = {plan.stages[name].label for name in remove_weights(store, names)}
    assert heavy(bench) == {"compact", "compact-mnli-i1", "compact-mnli-i2"}
    assert not gone & heavy(bench)
    kept = [s for s in plan.stages.values() if s.label in heavy(bench) and s.verb == "train"]
    assert not any(store.is_dropped(stage.id) for stage in kept)


def test_as_it_is_typed(bench):
    plan = bench.run().plan
    store = str(bench.folder / "store")

    def typed(*words):
        done = CliRunner().invoke(study, ["prune", *words])
        assert done.exit_code == 0, done.output
        return done.stdout

    heavy_now = sum(s.verb in ("train", "export") for s in plan.stages.values())
    assert "there are no others" in typed(store)
    assert f"{heavy_now} stages, 0.0 MB would go" in typed(store, "--weights")
    told = json.loads(typed(store, "--weights", "--json"))
    assert {one["state"] for one in told["stages"]} == {"weights"}
    assert f"{heavy_now} stages, 0.0 MB removed" in typed(store, "--weights", "--yes")
    assert "there are no others" in typed(store, "--weights")
    assert not list((bench.folder / "store").rglob("*.safetensors"))
    assert not list((bench.folder / "store/locks").iterdir())


def test_what_was_removed_is_told_at_the_end(bench):
    progress = bench.run(drop_weights=True)
    progress.freed = 2_500_000_000
    from xlt.study.engine.status import status_of

    assert "2.5 GB of weights removed that nothing needs any more" in describe(status_of(progress))


def test_a_store_behind_a_url_keeps_its_weights(bench):
    bench.plan()
    words = ["run", str(bench.folder / "one.yaml"), "--scale", "demo", "--out"]
    words += [str(bench.folder / "out"), "--store", "memory://x", "--engine", "ray"]
    done = CliRunner().invoke(study, [*words, "--drop-weights"])
    assert done.exception is not None
    assert "--drop-weights cannot go with a store behind a URL" in str(done.exception)
