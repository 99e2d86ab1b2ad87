"""`xlt train` as typed: plan, results, machine output, exit codes."""

import json
from types import SimpleNamespace

import pytest

from xlt.cli.main import main


@pytest.fixture
def xlt(tmp_path, monkeypatch, capsys):
    """The command line in this process (PyTorch is loaded once), in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("xlt.core.show.terminal.QUIET", False)

    def run(*arguments):
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return SimpleNamespace(returncode=caught.value.code, stdout=out, stderr=err)

    return run


@pytest.fixture
def flags(root, models_of):
    return [
        "train", "--model", models_of("bert"), "--data", root, "--max-length", 48, "--steps", 2,
        "--threads", 1,
    ]  # fmt: skip


def test_run_ends_with_scores_baselines_and_the_next_command(flags, xlt, tmp_path):
    done = xlt(*flags, "--target", "udpos,xquad")
    assert done.returncode == 0, done.stderr
    assert "plan: start from" in done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["trained", "English", "dev", "score", "baselines"]
    accuracy = next(line for line in lines if line.split()[:2] == ["udpos", "token_accuracy"])
    assert "majority" in accuracy and "per_word 100.0" in accuracy
    assert lines[-1] == "run: xlt-run (done); next: xlt export xlt-run"
    assert (tmp_path / "xlt-run/targets/xquad/config.json").is_file()
    again = xlt(*flags, "--target", "udpos,xquad", "--resume")
    assert (again.returncode, again.stdout) == (0, done.stdout)
    other = xlt(*flags, "--target", "udpos", "--resume")
    assert other.returncode == 2 and "target:" in other.stderr
    taken = xlt(*flags, "--target", "udpos")
    assert taken.returncode == 2 and "--resume" in taken.stderr


def test_scores_of_every_task_of_a_phase_are_shown(flags, xlt):
    done = xlt(*flags, "--intermediate", "mnli,hellaswag", "--target", "none")
    assert done.returncode == 0, done.stderr
    shown = [line.split("  ")[0] for line in done.stdout.splitlines()]
    assert "1-mnli+hellaswag" in shown and "1-mnli+hellaswag: hellaswag" in shown
    uniform = next(line for line in done.stdout.splitlines() if ": hellaswag" in line)
    assert "uniform 25.0" in uniform


def test_json_is_all_there_is_on_stdout(flags, xlt, tmp_path):
    done = xlt("-q", *flags, "--target", "none", "--out", "r", "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["status"] == "done" and record["encoder"] == "encoder"
    assert record["path"] == "r"


def test_dry_run_shows_the_plan_and_writes_nothing(flags, xlt, tmp_path):
    done = xlt(*flags, "--intermediate", "mnli", "--target", "udpos", "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert [phase["name"] for phase in plan["phases"]] == ["1-mnli", "udpos"]
    assert plan["phases"][1]["examples"] == 90
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (["--target", "tydiqa"], 3, "no train split of task tydiqa"),
        (["--target", "udpos", "--lr", "7", "--epochs", "-1"], 2, "2 mistakes"),
        (["--train-split", "mnli"], 2, "TASK=FILE"),
        (["--target", "udpos", "--model", "./none"], 4, "no such folder"),
        (["--target", "udpos", "--device", "cuda:9"], 4, "cuda:9"),
    ],
)
def test_mistakes_are_two_lines_and_an_exit_code(more, code, words, flags, xlt, tmp_path):
    done = xlt(*flags, *more)
    assert done.returncode == code, done.stderr
    error, hint = done.stderr.splitlines()[-2:]
    assert error.startswith("error: ") and words in error and hint.startswith("hint: ")
    assert list(tmp_path.iterdir()) == []


def test_missing_train_split_names_the_paths_tried(flags, xlt):
    hint = xlt(*flags, "--target", "tydiqa").stderr.splitlines()[-1]
    assert hint.startswith("hint: tried tydiqa/")
    assert "tydiqa/tydiqa-goldp-v1.1-train.json," in hint


def test_run_that_is_continued_or_built_upon_names_the_data_root(flags, root, models_of, xlt):
    assert xlt(*flags, "--target", "udpos", "--out", "base").returncode == 0
    at = flags.index("--data")
    bare = flags[:at] + flags[at + 2 :]
    again = xlt(*bare, "--target", "udpos", "--out", "base", "--resume")
    assert again.returncode == 0, again.stderr
    on_top = ["train", "--model", "base", *bare[3:], "--target", "xquad", "--out", "next"]
    done = xlt(*on_top, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["config"]["data"] == str(root.resolve())
    fresh = xlt(*bare, "--target", "udpos", "--out", "base", "--force")
    assert fresh.returncode == 2 and "no data root" in fresh.stderr


def test_data_root_is_needed(xlt):
    done = xlt("train", "--model", "compact")
    assert done.returncode == 2 and "no data root" in done.stderr


def test_as_a_process(flags, run_xlt, tmp_path):
    done = run_xlt(*flags, "--target", "udpos")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "xlt-run/targets/udpos/config.json").is_file()
