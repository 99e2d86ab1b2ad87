"""Every kind trains on every family: an intermediate phase, the target, masked LM beside.

Tiny random configurations; `test_the_families_train_on_transformers_5` runs this file again with
the next major version of transformers, in an environment of its own.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file

from xlt.train import fit

pytestmark = pytest.mark.usefixtures("silent")
FAMILIES = ("xlm-roberta", "bert", "distilbert", "deberta-v2", "modernbert")
AUTO = {
    "pawsx": transformers.AutoModelForSequenceClassification,
    "udpos": transformers.AutoModelForTokenClassification,
    "xquad": transformers.AutoModelForQuestionAnswering,
}
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_kind_trains(family, config, root, models_of, tmp_path):
    run = fit(
        config(
            root, models_of(family), tmp_path, intermediate=("mnli", "hellaswag"),
            target=tuple(AUTO), lr=5e-3, epochs=2.0, steps=12, weight_decay=0.01,
        )
    )  # fmt: skip
    assert run.status == "done"
    for name, auto in AUTO.items():
        folder = run.targets[name]
        model, report = auto.from_pretrained(folder, output_loading_info=True)
        assert not report["missing_keys"] and not report["unexpected_keys"]
        base = load_file(models_of(family) / "model.safetensors")
        moved = [
            key for key, value in model.base_model.state_dict().items()
            if key in base and not torch.equal(value, base[key])
        ]  # fmt: skip
        assert len(moved) > len(base) / 2, "the encoder is trained"
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    for name in ("1-mnli", "udpos"):
        losses = [line["loss"] for line in lines if line["phase"] == name and "loss" in line]
        assert losses[-1] < losses[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_masked_lm_trains_beside_a_task(family, config, root, models_of, tmp_path):
    given = {"intermediate": ("mnli",), "with_mlm": True, "mlm_ratio": 0.5, "steps": 8}
    run = fit(config(root, models_of(family), tmp_path, **given))
    (entry,) = run.record["lineage"]["phases"]
    assert entry["draws"]["mlm"] == entry["draws"]["mnli"] and entry["steps"] == 8


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_families_train_on_transformers_5(transformers_5):
    if int(transformers.__version__.partition(".")[0]) >= 5:
        pytest.skip("this is it")
    done = subprocess.run(
        [transformers_5, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__], cwd=ROOT,
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    version = subprocess.run(
        [transformers_5, "-c", "import transformers; print(transformers.__version__)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert version.stdout.startswith("5.")
    assert done.returncode == 0, done.stdout[-4000:]
    assert "10 passed" in done.stdout
