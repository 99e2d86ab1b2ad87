"""Two processes over gloo train what one trains, up to rounding; alone nothing changes."""

import json
import os
import shutil
import socket
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from xlt.core.artifacts.runs import Run
from xlt.train.workers import Workers

pytest.importorskip("accelerate")


def flags(root, model, out):
    return [
        "-q", "train", "--model", model, "--data", root, "--out", out, "--intermediate",
        "mnli,hellaswag", "--target", "udpos", "--joint", "pawsx", "--epochs", 1,
        "--max-length", 48, "--threads", 1, "--batch-size", 8, "--part-tokens", 64,
        "--lr", "1e-3", "--device", "cpu",
        "--eval-every", 6,
    ]  # fmt: skip


def without_dropout(folder, target):
    shutil.copytree(folder, target)
    settings = json.loads((target / "config.json").read_text())
    settings |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (target / "config.json").write_text(json.dumps(settings))
    return target


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def launched(arguments, count):
    """What `accelerate launch` sets in the environment of every process, without its detours."""
    port, running = free_port(), []
    for rank in range(count):
        environment = {
            **os.environ, "OMP_NUM_THREADS": "1", "WORLD_SIZE": str(count), "RANK": str(rank),
            "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true", "GLOO_SOCKET_IFNAME": "lo",
        }  # fmt: skip
        running.append(
            subprocess.Popen(
                [sys.executable, "-m", "xlt", *map(str, arguments)], env=environment,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
        )  # fmt: skip
    try:
        told = [one.communicate(timeout=240) for one in running]
    finally:
        for one in running:
            one.kill()
    assert [one.returncode for one in running] == [0] * count, told
    return told


def losses(out):
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [(line["phase"], line["step"], line["loss"]) for line in lines if "loss" in line]


def test_two_processes_have_the_loss_curve_of_one(root, models_of, tmp_path):
    model = without_dropout(models_of("bert"), tmp_path / "model")
    launched(flags(root, model, tmp_path / "one"), 1)
    told = launched(flags(root, model, tmp_path / "two"), 2)
    assert "run:" in told[0][0] and not told[1][0], "the first process speaks"
    one, two = (losses(tmp_path / out) for out in ("one", "two"))
    assert [entry[:2] for entry in one] == [entry[:2] for entry in two] and len(one) >= 4
    for (*_, first), (*_, second) in zip(one, two, strict=True):
        assert second == pytest.approx(first, rel=1e-3)
    records = [Run.open(tmp_path / out).record for out in ("one", "two")]
    assert records[0]["status"] == records[1]["status"] == "done"
    assert records[0]["targets"]["udpos"]["steps"] == records[1]["targets"]["udpos"]["steps"]
    weights = [load_file(tmp_path / out / "encoder/model.safetensors") for out in ("one", "two")]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-2, atol=1e-3)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "launcher",
    [
        ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines",
         "1", "--mixed_precision", "no", "--dynamo_backend", "no"],
        ["torch.distributed.run", "--nproc-per-node", "2"],
    ],
    ids=["accelerate", "torchrun"],
)  # fmt: skip
def test_the_launchers_start_what_the_documents_say(launcher, root, models_of, tmp_path):
    """`accelerate launch --multi_gpu -m xlt train` and torchrun, on CPUs over gloo."""
    model = without_dropout(models_of("bert"), tmp_path / "model")
    launched(flags(root, model, tmp_path / "two"), 2)
    place = ["--main_process_port" if "accelerate" in launcher[0] else "--master-port"]
    done = subprocess.run(
        [sys.executable, "-m", *launcher, *place, str(free_port()), "-m", "xlt",
         *map(str, flags(root, model, tmp_path / "launched"))],
        env={**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("run: ") == 1, "the first process speaks"
    assert losses(tmp_path / "launched") == losses(tmp_path / "two")


def test_two_processes_leave_a_finished_run_alone(root, models_of, tmp_path):
    model = without_dropout(models_of("bert"), tmp_path / "model")
    arguments = [*flags(root, model, tmp_path / "run"), "--resume"]
    launched(arguments, 2)
    done = (tmp_path / "run/encoder/model.safetensors").read_bytes()
    launched(arguments, 2)
    assert (tmp_path / "run/encoder/model.safetensors").read_bytes() == done


def test_every_part_of_a_step_is_taken_once():
    parts = list("abcdefg")
    shares = [list(Workers(rank, 3).share(parts)) for rank in range(3)]
    assert sorted(part for share in shares for part in share) == parts
    assert Workers().share(parts) is parts and Workers().leads and not Workers(1, 3).leads
