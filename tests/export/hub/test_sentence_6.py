"""sentence-transformers 6: it takes a bundle as its module, and its folders are exported."""

import json
import os
import subprocess

import numpy as np
import pytest

import xlt
from xlt.export import export

TEXTS = ["The ferry is late.", "Паром опаздывает, и никто не ждёт.", "船晚点了。", "query: a"]
CHILD = """
import json, sys
from importlib import metadata
import numpy as np
from sentence_transformers import SentenceTransformer
import sentence_transformers.sentence_transformer.modules as modules
import xlt

bundle, checkpoint, out, texts = sys.argv[1:]
texts = json.loads(texts)
ours = SentenceTransformer(modules=[xlt.sentence_module(bundle)], device="cpu")
ours.save(out + "/saved")
again = SentenceTransformer(out + "/saved", device="cpu", trust_remote_code=True)
transformer = modules.Transformer(
    checkpoint, max_seq_length=40, model_kwargs={"attn_implementation": "eager"}
)
width = transformer.get_embedding_dimension()
pooling = modules.Pooling(width, pooling_mode="cls")
dense = modules.Dense(in_features=width, out_features=24)
theirs = SentenceTransformer(modules=[transformer, pooling, dense], device="cpu")
theirs.prompts = {"query": "query: "}
theirs.default_prompt_name = "query"
theirs.save(out + "/theirs")
np.savez(
    out + "/found.npz",
    ours=ours.encode(texts),
    again=again.encode(texts),
    theirs=theirs.encode(texts, normalize_embeddings=True),
)
print(metadata.version("sentence-transformers"))
"""


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_version_6_takes_a_bundle_and_writes_folders_that_are_exported(
    sentence_transformers_6, checkpoints, tmp_path, project
):
    [made] = export(checkpoints(kind="embed"), out=tmp_path / "b", layer="last", prompt="query: ")
    done = subprocess.run(
        [sentence_transformers_6, "-c", CHILD, made.path, checkpoints("bert", "embed"),
         tmp_path, json.dumps(TEXTS)],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(project / "src")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1].startswith("6.")
    found = np.load(tmp_path / "found.npz")
    assert np.array_equal(found["ours"], xlt.open(made.path).encode(TEXTS))
    assert np.array_equal(found["again"], found["ours"])
    [new] = export(tmp_path / "theirs", out=tmp_path / "c")
    manifest = json.loads((new.path / "xlt.json").read_text())
    assert manifest["pooling"] == "cls" and manifest["max_length"] == 40
    assert np.abs(xlt.open(new.path).encode(TEXTS) - found["theirs"]).max() < 1e-5
