"""What a store keeps for the studies that use it, and what it may lose."""

import json
import shutil

import pytest
from click.testing import CliRunner

from xlt.core.errors import DataError, UsageError
from xlt.study.commands import study
from xlt.study.engine.prune import find_leftovers, prune
from xlt.study.engine.run import register
from xlt.study.engine.store import MANIFESTS, Store


def other(bench):
    """The file of another study: it shares the world, the encoder and the arm `none`."""
    text = bench.text.replace("[mnli]", "[squad]").replace("mnli", "squad")
    assert text != bench.text
    return text


def finished(bench, out, text, store=None):
    """A study all of whose stages are done, without any process."""
    plan, store = bench.plan(text), store or bench.store()
    register(plan, bench.folder / out, store)
    for stage in plan.stages.values():
        if store.done(stage) is None:
            store.begin(stage, [], [])
            manifest = store.folder(stage) / MANIFESTS[stage.verb].replace("*", "one")
            manifest.parent.mkdir(parents=True)
            manifest.write_text("{}")
            store.finish(stage, [], 1.0)
    return set(plan.stages)


@pytest.fixture
def two(bench):
    """Two studies in one store."""
    return bench, finished(bench, "one", bench.text), finished(bench, "two", other(bench))


def stages(bench):
    return {path.name for path in (bench.folder / "store").glob("*-*") if path.is_dir()}


def test_what_a_plan_names_stays_and_what_none_names_goes(two):
    bench, first, second = two
    assert find_leftovers(bench.store()).leftovers == ()
    shutil.rmtree(bench.folder / "two")
    found = find_leftovers(bench.store())
    assert {one.id for one in found.leftovers} == second - first
    assert {one.state for one in found.leftovers} == {"done"}
    assert found.gone == ((bench.folder / "two").resolve(),)
    assert stages(bench) == first | second, "looking changes nothing"
    assert 0 < found.bytes == prune(bench.store()).bytes
    assert stages(bench) == first
    plan, store = bench.plan(), bench.store()
    assert all(store.done(stage) for stage in plan.stages.values())
    assert find_leftovers(bench.store()).gone == ()


def test_a_stage_that_somebody_works_on_stays(two):
    bench, first, second = two
    shutil.rmtree(bench.folder / "two")
    name = sorted(second - first)[0]
    handle = bench.store().hold(name)
    found = {one.id: one.state for one in prune(bench.store()).leftovers}
    assert found.pop(name) == "in use"
    assert set(found.values()) == {"removed"}
    assert stages(bench) == first | {name}
    bench.store().let_go(name, handle)
    assert [one.id for one in prune(bench.store()).leftovers] == [name]
    assert stages(bench) == first


def test_a_removal_that_is_interrupted_leaves_nothing_that_is_believed(two, monkeypatch):
    bench, first, second = two
    plan = bench.plan(other(bench))
    shutil.rmtree(bench.folder / "two")

    def stopped(folder, **_):
        (folder / "start.json").unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr("xlt.study.engine.prune.shutil.rmtree", stopped)
    with pytest.raises(KeyboardInterrupt):
        prune(bench.store())
    half = [one for one in plan.stages.values() if bench.store().done(one) is None]
    assert len(half) == 1 and half[0].id in second - first


def test_folders_that_are_no_stage_are_left_alone(two):
    bench, first, _ = two
    for name in ("my-notes", "train-mine"):
        (bench.folder / "store" / name).mkdir()
    shutil.rmtree(bench.folder / "two")
    prune(bench.store())
    assert stages(bench) == first | {"my-notes", "train-mine"}


def test_a_store_that_no_study_is_known_to_use_is_not_emptied(two):
    bench, first, second = two
    shutil.rmtree(bench.folder / "store/studies")
    with pytest.raises(UsageError, match="every stage would go"):
        prune(bench.store())
    with pytest.raises(DataError):
        prune(bench.store(), [bench.folder / "nowhere"])
    assert stages(bench) == first | second
    prune(bench.store(), [bench.folder / "one"])
    assert stages(bench) == first


def test_as_it_is_typed(two):
    bench, first, second = two
    shutil.rmtree(bench.folder / "two")
    store = str(bench.folder / "store")

    def typed(*words):
        done = CliRunner().invoke(study, ["prune", *words])
        assert done.exit_code == 0, done.output
        return done.stdout

    gone = len(second - first)
    assert f"{gone} stages, 0.0 MB would go; --yes removes them" in typed(store)
    told = json.loads(typed(store, "--json"))
    assert {one["id"] for one in told["stages"]} == second - first
    assert stages(bench) == first | second
    assert f"{gone} stages, 0.0 MB removed" in typed(store, "--yes")
    assert "there are no others" in typed(store)


def test_a_study_with_its_own_store_is_a_place_too(bench):
    plan = finished(bench, "out", bench.text, Store(bench.folder / "out/store"))
    extra = bench.folder / "out/store/train-old-12345678"
    extra.mkdir()
    (extra / "start.json").write_text("{}")
    done = CliRunner().invoke(study, ["prune", str(bench.folder / "out"), "--yes"])
    assert done.exit_code == 0, done.output
    assert not extra.exists()
    kept = {path.name for path in (bench.folder / "out/store").glob("*-*")}
    assert kept == plan
    done = CliRunner().invoke(study, ["prune", str(bench.folder / "nowhere")])
    assert isinstance(done.exception, UsageError)
