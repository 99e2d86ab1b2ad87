"""XLM-R Large's shape is exported within 8 GiB, with its weights beside the graph."""

import json
import subprocess
import sys

import numpy as np
import pytest

import xlt

GIB = 1 << 30
LARGE = {
    "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16,
    "intermediate_size": 4096, "vocab_size": 250_002, "max_position_embeddings": 514,
    "type_vocab_size": 1,
}  # fmt: skip
# Random weights, all different: the exporter merges equal ones, which would make it too small.
MAKE = """
import json, sys, torch, transformers
config = transformers.XLMRobertaConfig(**json.loads(sys.argv[2]))
torch.manual_seed(1)
transformers.XLMRobertaModel(config).save_pretrained(sys.argv[1])
"""


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_xlm_r_large_s_shape_is_exported_within_8_gib(checkpoints, tmp_path):
    import shutil

    folder, bundle = tmp_path / "large", tmp_path / "bundle"
    subprocess.run([sys.executable, "-c", MAKE, folder, json.dumps(LARGE)], check=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(checkpoints(kind="embed") / name, folder)
    export = [sys.executable, "-m", "xlt", "export", str(folder), "--out", str(bundle)]
    measure = (
        "import resource, subprocess, sys\n"
        "code = subprocess.run(sys.argv[1:]).returncode\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", measure, *export, "--layer", "last"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    kibibytes = int(done.stdout.splitlines()[-1])
    assert kibibytes * 1024 < 8 * GIB
    shutil.rmtree(folder)
    manifest = json.loads((bundle / "xlt.json").read_text())
    files = manifest["variants"]["fp32"]["files"]
    assert sorted(files) == ["onnx/model.onnx", "onnx/model.onnx_data"]
    assert (bundle / "onnx/model.onnx_data").stat().st_size > 2 * GIB
    assert (bundle / "onnx/model.onnx").stat().st_size < 16 << 20
    vectors = xlt.open(bundle).encode(["The ferry is late.", "船晚点了。"])
    assert vectors.shape == (2, 1024)
    assert np.isfinite(vectors).all()
