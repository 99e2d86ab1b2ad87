"""One environment with transformers 5 trains, exports and evaluates; optimum cannot be imported."""

import json
import os
import subprocess

import pytest

STEPS = ("--steps", "6", "--batch-size", "8", "--train-examples", "64")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_transformers_5_alone_trains_exports_and_evaluates(
    transformers_5, tiny_world, tmp_path, project
):
    env = {**os.environ, "PYTHONPATH": str(project / "src")}

    def xlt(*arguments):
        done = subprocess.run(
            [transformers_5, "-m", "xlt", *map(str, arguments)], cwd=tmp_path, env=env,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    xlt("train", "--model", "compact", "--data", tiny_world, "--out", "run", "--pretrain", "none",
        "--target", "xnli,udpos,xquad", *STEPS)  # fmt: skip
    made = json.loads(xlt("export", "run", "--precision", "fp32,fp16", "--json"))
    assert {bundle["kind"] for bundle in made} >= {"pair", "tag", "span", "embed"}
    for bundle in made:
        manifest = json.loads((tmp_path / bundle["path"] / "xlt.json").read_text())
        assert manifest["export"]["versions"]["transformers"].startswith("5.")
        assert manifest["export"]["exporter"] == "torch"
        assert manifest["parity"]["fp32"]["passed"]
        assert manifest["parity"]["fp16"]["blocks"] > 0  # recognised in this exporter's form too
    xlt("eval", "run", "--langs", "all", "--tasks", "xnli,udpos,xquad,tatoeba")
    results = json.loads((tmp_path / "run/results/results.json").read_text())
    assert {cell["task"] for cell in results["cells"]} == {"xnli", "udpos", "xquad", "tatoeba"}
    assert all(cell["n"] > 0 for cell in results["cells"])
