"""A real multilingual sentence model through the export: multilingual-e5-small, with its prompt."""

import json
import subprocess
import sys

import numpy as np
import pytest

import xlt

TEXTS = [
    "The ferry is late.",
    "Паром опаздывает, и никто не ждёт.",
    "船晚点了。",
    "Die Fähre hat Verspätung, und am Ufer warten nur zwei Leute auf sie. " * 6,
    "مركب متأخر",
    "नाव देर से आई",
]


@pytest.fixture(scope="module")
def e5(project):
    """The checkpoint, made once under build/ from the packages that its script names."""
    folder, script = project / "build/e5-small-q4", project.parent / "shared/tools/e5_small.py"
    if not (folder / "model.safetensors").is_file():
        if not script.is_file():
            pytest.skip("../shared/tools/e5_small.py is not there")
        subprocess.run([sys.executable, script, folder], check=True)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("ignore")
def test_e5_small_gives_the_vectors_of_sentence_transformers(e5, tmp_path, run_xlt):
    from sentence_transformers import SentenceTransformer

    out = tmp_path / "e5"
    done = run_xlt("export", e5, "--out", out, "--prompt", "query: ", timeout=1200)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((out / "xlt.json").read_text())
    assert manifest["parity"]["fp32"]["min_cosine"] > 0.99999
    theirs = SentenceTransformer(
        str(e5), device="cpu", model_kwargs={"attn_implementation": "eager"}
    )
    engine = xlt.open(out)
    for prompt, texts in (("query: ", TEXTS), ("", TEXTS)):
        expected = theirs.encode([prompt + text for text in texts], normalize_embeddings=True)
        found = engine.encode(texts) if prompt else engine.encode(texts, prompt="")
        assert np.abs(found - expected).max() < 1e-5
    opened = SentenceTransformer(modules=[xlt.sentence_module(out)], device="cpu")
    assert np.array_equal(opened.encode(TEXTS), engine.encode(TEXTS))
