"""SIGKILL anywhere: `--resume` ends with every file as in a run that was never stopped.

The trainings are real processes (`dying.py`) and end by a real signal. What has to be equal are
the bytes of every file of the run but measured.json: weights, kept checkpoints, log, run.json.
"""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

BASE = {
    "epochs": 1.0, "lr": 1e-3, "batch_size": 8, "max_length": 48, "threads": 1, "save_every": 3,
    "eval_every": 4, "keep": 2, "weight_decay": 0.1,
}  # fmt: skip
CASES = {
    "mixture": {"intermediate": ["mnli,hellaswag"], "mix": "temperature:2", "target": ["udpos"]},
    "with-mlm": {"intermediate": ["mnli"], "with_mlm": True, "mlm_ratio": 0.3, "target": []},
    "joint": {"target": ["udpos", "pawsx"], "joint": ["mnli"]},
    "sequence": {"intermediate": ["mnli", "mlm", "hellaswag"], "target": ["xquad"]},
    "compact": {
        "model": "compact", "vocab_size": 300, "pretrain_steps": 12, "target": ["udpos"],
        "steps": 12,
    },
}  # fmt: skip
MOMENTS = {
    "mixture": [
        {"at": "step", "phase": "1-mnli+hellaswag", "number": 8},
        {"at": "write", "number": 2},
        {"at": "step", "phase": "udpos", "number": 1},
    ],
    "with-mlm": [
        {"at": "step", "phase": "1-mnli", "number": 2},
        {"at": "step", "phase": "1-mnli", "number": 7},
        {"at": "between", "number": 1},
    ],
    "joint": [
        {"at": "step", "phase": "udpos", "number": 11},
        {"at": "record", "number": 1},
        {"at": "folder", "number": 2},
        {"at": "step", "phase": "pawsx", "number": 5},
    ],
    "sequence": [
        {"at": "step", "phase": "1-mnli", "number": 4},
        {"at": "step", "phase": "2-mlm", "number": 3},
        {"at": "write", "number": 3},
        {"at": "step", "phase": "3-hellaswag", "number": 0},
        {"at": "folder", "number": 1},
        {"at": "finish"},
    ],
    "compact": [
        {"at": "record", "number": 1},
        {"at": "step", "phase": "0-pretrain", "number": 7},
        {"at": "write", "number": 1},
        {"at": "step", "phase": "udpos", "number": 5},
    ],
}


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    """train(fields, moment) -> exit status of a process of its own."""
    said = (tmp_path_factory.mktemp("said") / "stderr.txt").open("w")
    script = Path(__file__).with_name("dying.py")
    environment = {
        **os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path),
    }  # fmt: skip
    server = subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=said, text=True, env=environment,
    )  # fmt: skip

    def work(fields, moment=None):
        server.stdin.write(json.dumps([fields, moment]) + "\n")
        server.stdin.flush()
        return json.loads(server.stdout.readline())

    yield work
    server.stdin.close()
    server.wait(60)
    server.stdout.close()
    said.close()


@pytest.fixture(scope="module")
def whole(train, root, models_of, tmp_path_factory):
    """whole(case) -> the files of a run that nobody stopped, and the fields that it was asked."""
    made = {}

    def work(case):
        if case not in made:
            folder = tmp_path_factory.mktemp(case)
            fields = {**BASE, "model": str(models_of("xlm-roberta")), "data": str(root)}
            fields |= {"resume": True, **CASES[case]}
            assert train({**fields, "out": str(folder / "run")}) == 0
            made[case] = fields, files(folder)
        return made[case]

    return work


def files(folder):
    """Everything in it by name, but what measures time."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "measured.json"
    }


def assert_same(got, expected):
    assert got.keys() == expected.keys()
    assert [name for name in got if got[name] != expected[name]] == []


@pytest.mark.parametrize("case", list(CASES))
def test_a_run_that_is_killed_over_and_over_ends_with_the_same_files(case, train, whole, tmp_path):
    fields, expected = whole(case)
    fields = {**fields, "out": str(tmp_path / "run")}
    for moment in MOMENTS[case]:
        assert train(fields, moment) == -signal.SIGKILL, moment
    assert train(fields) == 0
    assert_same(files(tmp_path), expected)


def test_a_run_that_is_killed_while_force_replaces_another_ends_the_same(train, whole, tmp_path):
    fields, expected = whole("with-mlm")
    out = tmp_path / "run"
    out.mkdir()
    (out / "old").write_text("an old run")
    forced = {**fields, "out": str(out), "resume": False, "force": True}
    assert train(forced, {"at": "record", "number": 2}) == -signal.SIGKILL
    assert train(forced, {"at": "step", "phase": "1-mnli", "number": 5}) == -signal.SIGKILL
    assert train({**fields, "out": str(out)}) == 0
    assert_same(files(tmp_path), expected)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_twenty_kills_at_seeded_moments(train, whole, tmp_path):
    rng = random.Random("twenty moments")
    killed, number = 0, 0
    while killed < 20:
        for case in CASES:
            fields, expected = whole(case)
            fields = {**fields, "out": str(tmp_path / str(number) / "run")}
            while True:
                at = rng.choice(["any step"] * 4 + ["write", "between", "folder", "record"])
                status = train(fields, {"at": at, "number": rng.randint(1, 9)})
                if status == 0:
                    break
                assert status == -signal.SIGKILL
                killed += 1
            assert_same(files(tmp_path / str(number)), expected)
            number += 1
