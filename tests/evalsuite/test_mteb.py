"""The encoder that mteb is given: both shapes of its calls, prompts, metadata, its own tasks."""

import json
import os
import site
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from xlt.core.errors import DataError, ModelError, UsageError
from xlt.core.inference.engine import Engine
from xlt.evalsuite.mteb import BundleEncoder

TASKS = Path(__file__).with_name("mteb_tasks.py")


class PromptType(StrEnum):
    query = "query"
    document = "document"


STS = SimpleNamespace(name="InventedSTS", type="STS")


@pytest.fixture(scope="module")
def folder(make, tmp_path_factory):
    prompts = {"query": "salz ", "passage": "eisen ", "STS": "staub ", "Named-query": "regen "}
    return make.bundle(tmp_path_factory.mktemp("mteb") / "lookup", "tatoeba", prompts=prompts)


@pytest.fixture
def encoder(folder):
    return BundleEncoder(folder, threads=1)


def test_calls_of_both_versions_give_the_vectors_of_the_engine(encoder, folder):
    texts = ["katze", "baum mond", "katze"]
    expected = Engine.open(folder, threads=1).embed(texts)
    first = encoder.encode(texts, task_name="Any", batch_size=2, show_progress_bar=False)
    named = encoder.encode(sentences=texts, task_name="Any")
    batches = [{"text": texts[:2], "id": ["a", "b"]}, {"text": texts[2:], "id": ["c"]}]
    second = encoder.encode(batches, task_metadata=SimpleNamespace(name="Any", type="Other"),
                            hf_split="test", hf_subset="default", batch_size=2)  # fmt: skip
    for found in (first, named, second):
        assert found.dtype == np.float32
        assert (found == expected).all()


@pytest.mark.parametrize(
    ("task", "kind", "side", "name"),
    [
        ("Any", "Retrieval", PromptType.query, "query"),
        ("Any", "Retrieval", PromptType.document, "passage"),
        ("Any", "STS", None, "STS"),
        ("Any", "STS", PromptType.query, "STS"),
        ("Named", "STS", PromptType.query, "Named-query"),
        ("Named", "Retrieval", None, None),
        ("Any", "Retrieval", "query", "query"),
    ],
)
def test_the_prompt_follows_the_task_and_the_side_and_is_recorded(encoder, task, kind, side, name):
    found = encoder.encode(
        ["katze"], task_metadata=SimpleNamespace(name=task, type=kind), prompt_type=side
    )
    prompt = encoder.prompts.get(name, "")
    assert (found == encoder.engine.embed([f"{prompt}katze"])).all()
    told = {"task": task, "prompt_type": None if side is None else str(side), "name": name,
            "prompt": prompt}  # fmt: skip
    assert encoder.record["prompts"] == [told]


def test_a_default_prompt_stands_where_a_task_asks_for_none(folder):
    encoder = BundleEncoder(folder, threads=1, default_prompt="query")
    encoder.encode(["katze"], task_name="Any")
    encoder.encode(["katze"], task_name="Any")
    encoder.encode(["katze"], task_name="Any", prompt_type="document")
    assert [use.name for use in encoder.uses] == ["query", "passage"]
    with pytest.raises(UsageError, match="did you mean 'query'"):
        BundleEncoder(folder, threads=1, default_prompt="quary")


def test_prompts_that_are_given_go_before_those_of_the_bundle(folder):
    encoder = BundleEncoder(folder, threads=1, prompts={"query": "mond "})
    encoder.encode(["katze"], task_name="Any", prompt_type="query")
    assert encoder.uses[0].prompt == "mond "


def test_similarity_is_the_cosine_whatever_the_lengths(encoder):
    x = np.array([[3.0, 0.0], [0.0, 2.0]])
    y = np.array([[1.0, 0.0], [1.0, 1.0]])
    half = np.sqrt(0.5)
    np.testing.assert_allclose(encoder.similarity(x, y), [[1, half], [0, half]], atol=1e-6)
    np.testing.assert_allclose(encoder.similarity_pairwise(x, y), [1, half], atol=1e-6)
    assert encoder.similarity(x[0], y).shape == (1, 2)


def test_a_batch_of_images_is_told(encoder):
    with pytest.raises(DataError, match=r"without text \(image, id\)"):
        encoder.encode([{"image": [1], "id": ["a"]}], task_metadata=STS)
    with pytest.raises(UsageError, match="int8"):
        encoder.encode(["katze"], task_name="Any", precision="int8")


def test_a_bundle_without_vectors_is_no_encoder(bundles):
    with pytest.raises(ModelError, match="no bundle gives sentence vectors"):
        BundleEncoder(bundles / "xnli")


def test_metadata_name_the_bundle_and_change_with_it(encoder, make, tmp_path):
    meta = encoder.mteb_model_meta
    assert (meta.name, meta.revision) == ("xlt/lookup", encoder.engine.bundle.key[:40])
    other = BundleEncoder(make.bundle(tmp_path / "lookup", "tatoeba"), threads=1)
    assert other.mteb_model_meta.revision != meta.revision
    assert not hasattr(encoder, "predict")  # mteb 1 would take it for a cross-encoder


def test_metadata_are_of_mtebs_class_where_mteb_is_loaded(encoder, monkeypatch):
    class ModelMeta(SimpleNamespace):
        model_fields = {
            name: SimpleNamespace(is_required=lambda needed=needed: needed)
            for name, needed in {"name": True, "revision": True, "license": True, "framework": True,
                                 "contacts": False}.items()
        }  # fmt: skip

    module = ModuleType("mteb.models.model_meta")
    module.ModelMeta = ModelMeta
    monkeypatch.setitem(sys.modules, "mteb.models.model_meta", module)
    meta = encoder.mteb_model_meta
    assert isinstance(meta, ModelMeta)
    assert vars(meta) == {"name": "xlt/lookup", "revision": encoder.engine.bundle.key[:40],
                          "license": None, "framework": []}  # fmt: skip


def test_nothing_imports_mteb():
    code = "import sys, xlt.evalsuite.mteb; assert not {'mteb', 'torch'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("version", ["mteb==1.39.7", "mteb==2.26.24"])
def test_mteb_itself_runs_tasks_in_memory(folder, tmp_path, version):
    """In an environment of its own, over this one's packages."""
    place = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    packages = next(place.glob("lib/python*/site-packages"))
    (packages / "below.pth").write_text("\n".join(site.getsitepackages()))
    python = place / "bin" / "python"
    wanted = [version, "pytrec-eval-terrier", "polars", "polars-runtime-32", "pillow"]
    got = subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", *wanted],
                         capture_output=True, text=True, check=False)  # fmt: skip
    if got.returncode:
        pytest.skip(f"{version} cannot be installed here: {got.stderr[-200:]}")
    source = Path(__file__).resolve().parents[2] / "src"
    env = {**os.environ, "PYTHONPATH": str(source), "MTEB_CACHE": str(tmp_path / "cache")}
    done = subprocess.run([python, TASKS, folder], capture_output=True, text=True, check=False,
                          env=env)  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["scores"] == {"InventedPairs": 0.5, "InventedLikeness": 1.0, "InventedSearch": 1.0}
    assert told["name"] == "xlt/lookup"
    assert any(f"xlt__lookup/{told['revision']}/InventedPairs.json" in p for p in told["written"])
    prompts = {(use["task"], use["prompt_type"]): use["name"] for use in told["record"]["prompts"]}
    assert prompts["InventedSearch", "query"] == "query"
    assert prompts["InventedSearch", "document"] == "passage"
    assert prompts["InventedLikeness", None] == (None if version.startswith("mteb==1") else "STS")
