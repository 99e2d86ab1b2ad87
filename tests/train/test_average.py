"""Averages of runs: the mean of the weights, scored beside what it is made of."""

import json

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from xlt.core.artifacts.runs import Run
from xlt.core.errors import ModelError, UsageError
from xlt.train import fit
from xlt.train.average import average
from xlt.train.average_command import average as command

pytestmark = pytest.mark.usefixtures("silent")


@pytest.fixture(scope="module")
def runs(config, root, models_of, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    given = {"intermediate": ("mnli",), "target": ("udpos", "pawsx")}
    return [
        fit(config(root, models_of("bert"), folder / f"seed-{seed}", seed=seed, **given)).path
        for seed in (1, 2, 3)
    ]


def test_weights_are_the_mean_of_all_runs_and_scores_stand_beside(runs, tmp_path):
    run = average(runs, tmp_path / "mean", data=None, force=False)
    for part in ("encoder", "targets/udpos", "targets/pawsx"):
        each = [load_file(path / part / "model.safetensors") for path in runs]
        got = load_file(tmp_path / "mean" / part / "model.safetensors")
        assert got.keys() == each[0].keys()
        for name, value in got.items():
            mean = torch.stack([one[name].double() for one in each]).mean(0)
            torch.testing.assert_close(value.double(), mean, rtol=1e-6, atol=1e-7)
    entry = run.record["targets"]["udpos"]
    assert list(entry["beside"]) == [str(path) for path in runs]
    for path in runs:  # scored anew, and as the run itself has it
        own = Run.open(path).record["targets"]["udpos"]["dev"]
        assert entry["beside"][str(path)] == pytest.approx(own)
    assert set(entry["dev"]) == set(own)
    lineage = run.record["lineage"]
    assert [one["seed"] for one in lineage["averaged"]] == [1, 2, 3]
    assert run.status == "done" and Run.open(tmp_path / "mean").record == run.record


def test_targets_that_not_all_runs_have_are_left_out(config, runs, root, models_of, tmp_path):
    other = fit(config(root, models_of("bert"), tmp_path / "o", target=("pawsx",), seed=9)).path
    run = average([runs[0], other], tmp_path / "mean", data=None, force=False)
    assert list(run.record["targets"]) == ["pawsx"]


def test_models_that_do_not_fit_are_refused_before_anything_is_written(
    config, runs, root, models_of, tmp_path
):
    other = fit(config(root, models_of("distilbert"), tmp_path / "o", target=("pawsx",))).path
    with pytest.raises(ModelError, match="different shape or labels"):
        average([runs[0], other], tmp_path / "mean", data=None, force=False)
    assert not (tmp_path / "mean").exists()


def test_kept_weights_of_one_run_are_averaged_beside_last_and_pick(
    config, root, models_of, tmp_path
):
    """With decay of absent embedding rows, and the last kept weights those of a run without dev."""
    given = {"target": ("udpos",), "epochs": 2.0, "eval_every": 6, "weight_decay": 0.1}
    path = fit(config(root, models_of("bert"), tmp_path / "run", keep=3, **given)).path
    plain = fit(config(root, models_of("bert"), tmp_path / "plain", **given)).path
    name = "targets/udpos/model.safetensors"
    assert (path / name).read_bytes() == (plain / name).read_bytes(), "keeping changes nothing"
    kept = sorted((path / "checkpoints/udpos").iterdir())
    assert [folder.name[-2:] for folder in kept] == ["12", "18", "24"]
    step = Run.open(path).record["targets"]["udpos"]["best_step"]
    pick, same = load_file(path / name), path / f"checkpoints/udpos/step-{step:09d}"
    for key, value in load_file(same / "model.safetensors").items():
        assert torch.equal(value, pick[key]), key
    run = average([path], tmp_path / "mean", data=None, force=False)
    each = [load_file(folder / "model.safetensors") for folder in kept]
    for key, value in load_file(tmp_path / "mean" / name).items():
        mean = torch.stack([one[key].double() for one in each]).mean(0)
        torch.testing.assert_close(value.double(), mean, rtol=1e-6, atol=1e-7)
    assert set(run.record["targets"]["udpos"]["beside"]) == {"pick", "last"}


def test_mistakes_are_told(runs, tmp_path):
    with pytest.raises(UsageError, match="fewer than two"):
        average([runs[0], runs[0]], tmp_path / "mean", data=None, force=False)
    with pytest.raises(ModelError, match="not a run"):
        average([runs[0], tmp_path / "no"], tmp_path / "mean", data=None, force=False)
    (tmp_path / "there").mkdir()
    (tmp_path / "there/x").write_text("")
    with pytest.raises(UsageError, match="not empty"):
        average(runs, tmp_path / "there", data=None, force=False)


def test_as_a_command(runs, tmp_path):
    given = [*map(str, runs), "--out", str(tmp_path / "mean")]
    done = CliRunner().invoke(command, given)
    assert done.exit_code == 0, done.output
    assert "average" in done.output and "next: xlt export" in done.output.replace("\n", " ")
    done = CliRunner().invoke(command, [*given, "--force", "--json"])
    record = json.loads(done.stdout)
    assert record["status"] == "done" and len(record["lineage"]["averaged"]) == 3
