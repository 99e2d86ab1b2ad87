"""Controls run, resume and are named for what they are."""

import pytest
import torch
from safetensors.torch import load_file

import xlt.train.loop.loop as loop
from xlt.train import fit

pytestmark = pytest.mark.usefixtures("silent")


@pytest.mark.parametrize(
    ("control", "tasks"), [("mlm", ["mlm"]), ("shuffled", ["mnli"]), ("fake", ["real-or-fake"])]
)
def test_a_control_runs_is_named_and_resumes_to_the_bit(
    config, control, tasks, root, models_of, tmp_path, monkeypatch
):
    given = {"intermediate": ("mnli",), "control": control, "target": ("pawsx",), "save_every": 2}
    whole = fit(config(root, models_of("bert"), tmp_path / "whole", **given))
    (entry,) = whole.record["lineage"]["phases"]
    assert entry["name"] == f"1-mnli-{control}" and entry["control"] == control
    assert entry["tasks"] == tasks
    true = loop._step

    def stop(job, optimizer, at, state):
        if job.name.startswith("1-") and at.step == 3:
            raise KeyboardInterrupt
        return true(job, optimizer, at, state)

    monkeypatch.setattr(loop, "_step", stop)
    with pytest.raises(KeyboardInterrupt):
        fit(config(root, models_of("bert"), tmp_path / "run", **given))
    monkeypatch.setattr(loop, "_step", true)
    run = fit(config(root, models_of("bert"), tmp_path / "run", resume=True, **given))
    for part in (f"phases/1-mnli-{control}", "encoder", "targets/pawsx"):
        a, b = (load_file(one.path / part / "model.safetensors") for one in (whole, run))
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_longer_lengthens_the_target_by_the_updates_of_the_phases(
    config, root, models_of, tmp_path
):
    given = {"intermediate": ("mnli", "hellaswag"), "target": ("pawsx",)}
    usual = fit(config(root, models_of("bert"), tmp_path / "usual", **given))
    longer = fit(config(root, models_of("bert"), tmp_path / "longer", control="longer", **given))
    phases = [entry["steps"] for entry in usual.record["lineage"]["phases"]]
    own = usual.record["targets"]["pawsx"]["steps"]
    entry = longer.record["targets"]["pawsx"]
    assert entry["longer"] == sum(phases) and entry["steps"] == own + sum(phases)
    assert longer.record["lineage"]["phases"] == []
    assert "mnli" not in {data["task"] for data in longer.record["lineage"]["data"]}
