"""The run folder: who may write it, what --resume accepts, what a kill leaves behind."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from xlt.core.artifacts.runs import Run, differences, recorded_root
from xlt.core.errors import ModelError, UsageError

CONFIG = {"model": "compact", "seed": 1, "target": ["udpos"]}


def start(path, *, config=None, force=False, resume=False):
    return Run.create(path, config or CONFIG, force=force, resume=resume)


def test_new_run_says_running_with_its_configuration(tmp_path):
    with start(tmp_path / "run") as run:
        record = json.loads((run.path / "run.json").read_text())
        assert record["status"] == "running" and record["config"] == CONFIG
        assert (run.path / "run.lock").read_text().startswith(f"pid {os.getpid()} on ")
    assert not (tmp_path / "run" / "run.lock").exists()


def test_finished_run_is_done_and_keeps_no_state(tmp_path):
    run = start(tmp_path / "run")
    run.state.mkdir()
    run.save(encoder="encoder", targets={"udpos": {"path": "targets/udpos"}})
    run.finish()
    read = Run.open(run.path)
    assert read.status == "done"
    assert read.encoder == run.path / "encoder"
    assert read.targets == {"udpos": run.path / "targets/udpos"}
    assert sorted(p.name for p in run.path.iterdir()) == ["run.json"]


def test_non_empty_folder_is_refused_without_a_flag(tmp_path):
    start(tmp_path).close()
    with pytest.raises(UsageError, match="not empty") as caught:
        start(tmp_path)
    assert "--resume" in caught.value.hint and "--force" in caught.value.hint


def test_force_replaces_everything(tmp_path):
    start(tmp_path).close()
    (tmp_path / "old").write_text("x")
    start(tmp_path, config={"seed": 2}, force=True).close()
    assert not (tmp_path / "old").exists()
    assert Run.open(tmp_path).record["config"] == {"seed": 2}


def test_resume_starts_where_nothing_is(tmp_path):
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "absent", tmp_path / "empty"):
        with start(path, resume=True) as run:
            assert run.status == "running"


def test_resume_starts_after_a_kill_before_the_first_record(tmp_path):
    (tmp_path / "run.lock").write_text("pid 1 on nowhere\n")
    (tmp_path / ".run.json.abc.part").write_text("{")
    with start(tmp_path, resume=True) as run:
        assert run.status == "running"


def test_resume_continues_what_is_unfinished(tmp_path):
    with start(tmp_path) as run:
        run.save(encoder="encoder")
    with start(tmp_path, resume=True) as run:
        assert run.record["encoder"] == "encoder"


def test_resume_of_a_finished_run_returns_it_without_a_lock(tmp_path):
    start(tmp_path).finish()
    assert start(tmp_path, resume=True).status == "done"
    assert not (tmp_path / "run.lock").exists()


def test_resume_with_another_configuration_names_the_difference(tmp_path):
    start(tmp_path).close()
    with pytest.raises(UsageError, match=r"seed: 1 -> 2; steps: null -> 5"):
        start(tmp_path, config={**CONFIG, "seed": 2, "steps": 5}, resume=True)


def test_data_root_is_that_of_the_first_run(tmp_path):
    (tmp_path / "checkpoint").mkdir()
    for name in ("one", "two"):
        start(tmp_path / name, config={"data": f"/roots/{name}"}).close()
    start(tmp_path / "none", config={}).close()
    names = ("absent", "checkpoint", "none", "two", "one")
    assert recorded_root(tmp_path / name for name in names) == Path("/roots/two")
    assert recorded_root([tmp_path / "absent", tmp_path / "none"]) is None


def test_differences_compare_json_values():
    assert differences({"a": [1], "b": None}, {"a": [1]}) == []


def test_resume_of_a_folder_that_is_no_run_is_refused(tmp_path):
    (tmp_path / "letter.txt").write_text("x")
    with pytest.raises(ModelError, match="not a run"):
        start(tmp_path, resume=True)


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": 1}'])
def test_damaged_record_is_a_model_error(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ModelError):
        Run.open(tmp_path)


def test_record_of_another_schema_is_refused(tmp_path):
    with start(tmp_path) as run:
        run.save(schema=99)
    with pytest.raises(ModelError, match="schema 99"):
        Run.open(tmp_path)


OWNER = """
import sys, time
from pathlib import Path
from xlt.core.artifacts.runs import Run
Run.create(Path(sys.argv[1]), {"seed": 1}, force=False, resume=False)
print("ready", flush=True)
time.sleep(60)
"""


def test_living_owner_keeps_others_out_and_a_killed_one_does_not(tmp_path):
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, tmp_path / "run"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert owner.stdout.readline() == "ready\n"
        with pytest.raises(UsageError, match=f"in use by pid {owner.pid} on "):
            start(tmp_path / "run", config={"seed": 1}, resume=True)
        with pytest.raises(UsageError, match="in use"):
            start(tmp_path / "run", force=True)
        assert (tmp_path / "run" / "run.json").exists()
    finally:
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        owner.stdout.close()
    assert (tmp_path / "run" / "run.lock").exists()
    start(tmp_path / "run", config={"seed": 1}, resume=True).close()


def test_log_is_cut_back_to_the_checkpoint(tmp_path):
    with start(tmp_path) as run:
        run.log(step=1, loss=0.5)
        size = run.log_size
        run.log(step=2, loss=0.25)
        run.rewind_log(size)
        assert (tmp_path / "log.jsonl").read_text() == '{"step": 1, "loss": 0.5}\n'


def test_measurements_of_one_phase_are_joined(tmp_path):
    with start(tmp_path) as run:
        run.measure("udpos", seconds=1.5)
        run.measure("udpos", rate=2.0)
    measured = json.loads((tmp_path / "measured.json").read_text())
    assert measured == {"udpos": {"seconds": 1.5, "rate": 2.0}}


def test_full_disk_is_a_plain_error_and_the_old_record_stays(tmp_path):
    script = """
import resource, sys
from pathlib import Path
from xlt.core.errors import UsageError
from xlt.core.artifacts.runs import Run
run = Run.create(Path(sys.argv[1]), {"seed": 1}, force=False, resume=False)
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    run.save(lineage={"long": "x" * 10000})
except UsageError as error:
    print(error.message)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "run"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "cannot write" in done.stdout
    assert Run.open(tmp_path / "run").record["lineage"] == {}


def test_a_phase_that_begins_anew_leaves_no_line_of_its_first_attempt(tmp_path):
    """A phase stopped before its first checkpoint had its first steps in the log twice."""
    run = Run.create(tmp_path / "run", {}, force=False, resume=False)
    run.restart_log("a")
    run.log(phase="a", step=10)
    before = (run.path / "log.jsonl").read_bytes()
    run.log(phase="b", step=10)
    run.log(phase="b", step=20)
    run.restart_log("b")
    assert (run.path / "log.jsonl").read_bytes() == before
    run.restart_log("b")
    assert (run.path / "log.jsonl").read_bytes() == before


def test_a_log_line_that_was_cut_short_is_forgotten_with_its_phase(tmp_path):
    with start(tmp_path / "run") as run:
        run.log(phase="a", step=1)
        whole = (run.path / "log.jsonl").read_bytes()
        with (run.path / "log.jsonl").open("ab") as stream:
            stream.write(b'{"phase": "b", "st')
        run.restart_log("b")
        assert (run.path / "log.jsonl").read_bytes() == whole


def test_what_was_half_written_when_a_run_was_killed_is_removed_by_the_next(tmp_path):
    start(tmp_path / "run").close()
    (tmp_path / "run/phases/.1-mnli.ab12.part").mkdir(parents=True)
    (tmp_path / "run/phases/.1-mnli.ab12.part/model.safetensors").write_bytes(b"half")
    (tmp_path / "run/.run.json.cd34.part").write_bytes(b"half")
    with start(tmp_path / "run", resume=True):
        assert not list((tmp_path / "run").rglob("*.part"))
