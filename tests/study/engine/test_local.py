"""The local engine: what is redone after a kill, what a failure holds back, shared stores."""

import json
import os
import signal
import time

import pytest
from click.testing import CliRunner

from xlt.core.errors import PartlyDone, UsageError
from xlt.study.answer.folder import open_folder
from xlt.study.commands import study
from xlt.study.engine.run import check_folder, differences
from xlt.study.engine.status import look
from xlt.study.plan.records import Plan


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def cells(bench, out="out"):
    return sorted(path.stem for path in (bench.folder / out / "cells").glob("*.json"))


def test_every_stage_runs_once_and_every_cell_is_written(bench):
    progress = bench.run()
    assert sum(progress.expected.values()) > 0
    assert progress.left() == 0
    assert set(bench.counts().values()) == {1}
    assert len(bench.counts()) == len(progress.plan.stages)
    assert cells(bench) == sorted(cell.id for cell in progress.plan.cells)
    record = json.loads((bench.folder / "out/cells/mnli-xnli-u1.json").read_text())
    assert list(record["results"]) == ["English-dev pick"]
    results = bench.folder / "store" / record["results"]["English-dev pick"]
    assert (results / "results.json").is_file()
    assert [run.split("-")[0] for run in record["runs"]] == ["train"] * 3
    assert set(record["seconds"]) == set(record["cell"]["all_stages"])


def test_nothing_is_redone_and_another_study_reuses_the_store(bench):
    bench.run()
    before = bench.counts()
    bench.run()
    bench.run("other")
    assert bench.counts() == before
    assert cells(bench, "other") == cells(bench)


def test_a_failed_stage_holds_back_its_dependants_alone(bench):
    bench.set(fail="mnli")
    with pytest.raises(PartlyDone, match="it is told to fail") as caught:
        bench.run()
    assert caught.value.exit_code == 7
    assert "4 of 8 cells are missing: mnli-xnli-u1" in caught.value.message
    assert cells(bench) == [f"none-{t}-u{u}" for t in ("udpos", "xnli") for u in (1, 2)]
    found = look(Plan.open(bench.folder / "out"), bench.store())
    assert found["stages"]["failed"] == 2
    assert found["stages"]["blocked"] == 12
    bench.set(fail="")
    before = bench.counts()
    bench.run()
    redone = bench.counts() - before
    assert len(redone) == 14  # what had failed, and what had waited for it
    assert len(cells(bench)) == 8


def test_a_driver_that_is_killed_leaves_nothing_half_done_that_is_believed(bench):
    driver = bench.start(seconds=1)
    wait_for(lambda: sum(bench.counts("end").values()) >= 4)
    driver.kill()
    driver.communicate()
    finished = {stage for stage, _ in bench.counts("end").items()}
    store, plan = bench.store(), bench.plan()
    believed = {s.id for s in plan.stages.values() if store.done(s)}
    assert believed <= finished
    progress = bench.run()
    assert not progress.missing()
    again = {stage for stage, count in bench.counts().items() if count > 1}
    assert not again & believed
    assert all(count <= 2 for count in bench.counts().values())


def test_a_stage_that_outlives_its_driver_keeps_its_folder(bench):
    driver = bench.start(seconds=3)
    wait_for(lambda: any("train" in stage for stage in bench.counts()))
    driver.kill()
    driver.communicate()
    orphan = next(stage for stage in bench.counts() if "train" in stage)
    plan, store = bench.plan(), bench.store()
    assert store.running(plan.stages[orphan])
    bench.run()
    ended = [line for line in bench.log.read_text().splitlines() if line.endswith(orphan)]
    assert ended == [f"start {orphan}", f"end {orphan}"] * 2  # one after the other, never at once


def test_a_stage_that_is_killed_fails_and_is_done_by_the_next_run(bench):
    driver = bench.start(seconds=2)
    wait_for(lambda: any("train" in stage for stage in bench.counts()))
    stage = next(stage for stage in bench.counts() if "train" in stage)
    os.kill(child_of(driver.pid), signal.SIGKILL)
    _, said = driver.communicate()
    assert "PartlyDone" in said
    assert "killed by SIGKILL" in said
    assert bench.store().done(bench.plan().stages[stage]) is None
    assert not bench.run().missing()


def child_of(pid):
    children = []
    wait_for(lambda: children.extend(_children(pid)) or children)
    return children[0]


def _children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as stream:
        return [int(word) for word in stream.read().split()]


def test_two_studies_share_a_store_and_no_stage_runs_twice(bench):
    first = bench.start("one", seconds=0.3)
    second = bench.start("two", seconds=0.3)
    assert [p.communicate() and p.returncode for p in (first, second)] == [0, 0]
    assert set(bench.counts().values()) == {1}
    assert cells(bench, "one") == cells(bench, "two")
    assert len(cells(bench, "one")) == 8


def test_one_folder_takes_one_driver_at_a_time(bench):
    driver = bench.start(seconds=1)
    wait_for(lambda: bench.counts())
    with pytest.raises(UsageError, match="is in use by pid"):
        bench.run()
    driver.terminate()
    driver.communicate()


def test_status_is_told_while_the_study_runs(bench):
    driver = bench.start(seconds=1)
    wait_for(lambda: any("train" in stage for stage in bench.counts()))
    found = look(Plan.open(bench.folder / "out"), bench.store())
    assert found["stages"]["running"] >= 1
    assert found["running"][0].startswith("train-")
    assert found["cells"]["waiting"] == 8
    driver.terminate()
    driver.communicate()


def test_ctrl_c_stops_the_stages_and_says_how_to_go_on(bench):
    driver = bench.start(seconds=20)
    wait_for(lambda: any("train" in stage for stage in bench.counts()))
    driver.send_signal(signal.SIGINT)
    _, said = driver.communicate(timeout=30)
    assert "Interrupted: interrupted" in said
    stage = next(stage for stage in bench.counts() if "train" in stage)
    assert not bench.store().running(bench.plan().stages[stage])
    assert bench.counts("end")[stage] == 0


def test_a_record_that_does_not_fit_its_files_is_not_believed(bench):
    progress = bench.run()
    cell = progress.plan.cells[0]
    results = bench.folder / "store" / cell.stages["eval"] / "results/results.json"
    results.write_text("{}")
    before = bench.counts()
    bench.run()
    assert bench.counts() - before == {cell.stages["eval"]: 1}


def test_another_study_in_the_same_folder_is_told_with_the_difference(bench):
    bench.run()
    text = (bench.folder / "one.yaml").read_text()
    with pytest.raises(UsageError, match=r"another study: base\.steps: '9' -> '8'"):
        bench.run(text=text.replace("steps: 9", "steps: 8"))


def test_the_question_cannot_change_once_cells_are_finished(bench):
    bench.run()
    text = (bench.folder / "one.yaml").read_text()
    changed = text.replace("tasks: [xnli]", "tasks: [udpos]")
    with pytest.raises(UsageError, match="the question cannot change") as caught:
        bench.run(text=changed)
    assert "estimand.tasks: ['xnli'] -> ['udpos']" in caught.value.message
    bench.run("other", text=changed)
    registered = [
        json.loads((bench.folder / out / "plan.json").read_text())["registered"]
        for out in ("out", "other")
    ]
    assert [one["done"] for one in registered] == [0, 8]
    bench.run()
    kept = json.loads((bench.folder / "out/plan.json").read_text())["registered"]
    assert kept == registered[0]


def test_inputs_that_only_unfinished_cells_have_may_change(bench):
    """A file that was missing is put there, and the same command run again, as the hint says."""
    bench.set(fail="mnli")
    with pytest.raises(PartlyDone):
        bench.run()
    old = bench.plan()
    changed = bench.text.replace("intermediate: [mnli]", "intermediate: [mnli], lr: 1e-5")
    done = {path.stem for path in (bench.folder / "out/cells").glob("*")}
    assert done and all(name.startswith("none-") for name in done)
    new = bench.plan(changed)
    same = Plan(**{name: getattr(new, name) for name in new.__slots__} | {"study": old.study})
    assert "stages have other inputs" in differences(old, same)[0]
    check_folder(same, bench.folder / "out")
    bench.set(fail="")
    bench.run()
    with pytest.raises(UsageError, match="stages have other inputs"):
        check_folder(same, bench.folder / "out")


def test_a_store_elsewhere_is_known_to_the_folder(bench):
    bench.run()
    assert Plan.store_of(bench.folder / "out") == bench.folder / "store"
    assert open_folder(bench.folder / "out").cells[0].runs[0].is_dir()
    done = CliRunner().invoke(study, ["status", str(bench.folder / "out"), "--json"])
    assert json.loads(done.stdout)["cells"]["done"] == 8
    done = CliRunner().invoke(study, ["prune", str(bench.folder / "out")])
    assert "there are no others" in done.stdout
    (bench.folder / "store").rename(bench.folder / "out/store")
    (bench.folder / "out").rename(bench.folder / "moved")
    assert Plan.store_of(bench.folder / "moved") == bench.folder / "moved/store"
    assert open_folder(bench.folder / "moved").cells[0].runs[0].is_dir()


def test_a_folder_of_something_else_is_refused(bench):
    (bench.folder / "out").mkdir()
    (bench.folder / "out" / "mine.txt").write_text("")
    with pytest.raises(UsageError, match="is not empty and holds no study"):
        bench.run()


PICKS = "evaluation: {picks: true}\nscales:\n"


def test_other_rules_to_pick_a_checkpoint_are_scored_beside_under_their_names(bench):
    text = bench.text.replace("scales:\n", PICKS)
    plan = bench.run(text=text).plan
    words = next(s.argv for s in plan.stages.values() if s.label == "compact-xnli-t1")
    assert words[words.index("--keep") + 1] == "5"
    record = json.loads((bench.folder / "out/cells/mnli-xnli-u1.json").read_text())
    assert list(record["results"]) == ["English-dev pick", "last checkpoint", "target-dev oracle"]
    assert len(set(record["results"].values())) == 3


def test_a_rule_that_finds_no_checkpoint_fails_alone_and_the_cells_are_done(bench):
    text = bench.text.replace("scales:\n", PICKS).replace("[xnli, udpos]", "[panx]")
    text = text.replace("tasks: [xnli]", "tasks: [panx]")
    with pytest.raises(PartlyDone, match="it names no last of panx") as caught:
        bench.run(text=text)
    assert "4 of 4 cells are done" in caught.value.message
    assert len(cells(bench)) == 4
