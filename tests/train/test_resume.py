"""SIGKILL at any step: `--resume` ends with the same bits as a run that was never stopped."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

from xlt.core.artifacts.runs import Run
from xlt.train import TrainConfig, fit

PARTS = ("phases/0-pretrain", "phases/1-mnli", "encoder", "targets/udpos", "targets/xquad")
# Runs the command line and ends itself: with signal S in step N of a phase, or inside the
# N-th write of a folder.
DRIVER = """
import os, signal, sys
import xlt.train.loop.loop as loop, xlt.train.loop.state as state
number, phase, step, *arguments = sys.argv[1:]
true_step, true_write, writes = loop._step, state._write, []
def step_or_die(job, optimizer, at, checkpoints):
    if job.name == phase and at.step == int(step):
        os.kill(os.getpid(), int(number))
    return true_step(job, optimizer, at, checkpoints)
def write_or_die(path, tensors):
    writes.append(path)
    true_write(path, tensors)
    if phase == "write" and len(writes) == int(step):
        os.kill(os.getpid(), int(number))
loop._step, state._write = step_or_die, write_or_die
from xlt.cli.main import main
main(arguments)
"""


def config(root, out, **changes):
    return TrainConfig(
        model="compact", data=root, out=out, vocab_size=300, pretrain_steps=24,
        intermediate=("mnli",), target=("udpos", "xquad"), epochs=2.0, max_length=48, threads=1,
        batch_size=8, save_every=5, eval_every=7, **changes,
    )  # fmt: skip


def flags(root, out):
    return [
        "-q", "train", "--model", "compact", "--data", root, "--out", out, "--vocab-size", 300,
        "--pretrain-steps", 24, "--intermediate", "mnli", "--target", "udpos,xquad", "--epochs",
        2, "--max-length", 48, "--threads", 1, "--batch-size", 8, "--save-every", 5,
        "--eval-every", 7, "--resume",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def whole(root, tmp_path_factory):
    """A run that nobody stopped."""
    return fit(config(root, tmp_path_factory.mktemp("whole") / "run")).path


def stopped(root, out, number, phase, step):
    return subprocess.run(
        [sys.executable, "-c", DRIVER, *map(str, (int(number), phase, step, *flags(root, out)))],
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=200,
    )  # fmt: skip


def assert_same(one, other):
    for part in PARTS:
        a, b = (load_file(out / part / "model.safetensors") for out in (one, other))
        assert a.keys() == b.keys()
        assert all(torch.equal(a[name], b[name]) for name in a), part
    assert (one / "log.jsonl").read_bytes() == (other / "log.jsonl").read_bytes()
    records = [Run.open(out).record for out in (one, other)]
    assert records[0]["targets"] == records[1]["targets"]
    assert records[0]["lineage"] == records[1]["lineage"]
    assert not (other / "state").exists() and not (other / "run.lock").exists()


def test_killed_in_pretraining_phase_and_target_ends_with_the_same_bits(root, whole, tmp_path):
    out = tmp_path / "run"
    for phase, step in (("0-pretrain", 13), ("1-mnli", 1), ("write", 2), ("xquad", 8)):
        assert stopped(root, out, signal.SIGKILL, phase, step).returncode == -signal.SIGKILL
        assert Run.open(out).status == "running"
    assert fit(config(root, out, resume=True)).status == "done"
    assert_same(whole, out)


def test_ctrl_c_is_exit_130_and_resumable(root, whole, tmp_path):
    out = tmp_path / "run"
    done = stopped(root, out, signal.SIGINT, "1-mnli", 6)
    assert done.returncode == 130
    assert done.stderr.splitlines()[-2:] == [
        "error: interrupted", "hint: run the same command again to continue",
    ]  # fmt: skip
    assert Run.open(out).status == "running" and not (out / "run.lock").exists()
    fit(config(root, out, resume=True))
    assert_same(whole, out)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_twenty_kills_at_random_moments(root, whole, tmp_path):
    assert kill_at_random_moments(root, whole, tmp_path, times=20) == 20


def kill_at_random_moments(root, whole, tmp_path, times):
    """Kill and resume; counts kills that hit a begun, unfinished run. A finished one is compared
    with the one nobody stopped, and the next begins in a fresh folder."""
    rng = random.Random("moments")
    counted, number = 0, 0
    while counted < times:
        out = tmp_path / f"run-{number}"
        process = subprocess.Popen(
            [sys.executable, "-m", "xlt", *map(str, flags(root, out))],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        time.sleep(rng.uniform(1.0, 12.0))
        process.kill()
        code = process.wait()
        assert code in (0, -signal.SIGKILL)
        status = Run.open(out).status if (out / "run.json").exists() else "not begun"
        if status == "done":
            if code:  # killed after the last write
                (out / "run.lock").unlink(missing_ok=True)
            assert_same(whole, out)
            number += 1
        elif status == "running":
            assert code == -signal.SIGKILL
            counted += 1
    fit(config(root, out, resume=True))
    assert_same(whole, out)
    return counted
