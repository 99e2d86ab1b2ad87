"""Predictions do not depend on budget, threads, sessions or engine: on a model whose words mix."""

import json
import pickle
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

pytest.importorskip("hypothesis", reason="the light install has no hypothesis")
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xlt.core.inference.engine import Engine
from xlt.evalsuite import evaluate
from xlt.evalsuite.compute.engines import Engines
from xlt.evalsuite.plan.config import EvalConfig
from xlt.evalsuite.plan.plan import make_plan
from xlt.evalsuite.run import _job
from xlt.evalsuite.workers import remote
from xlt.evalsuite.workers.job import compute

WORDS = [
    "x",
    "where",
    "yes",
    "maybe",
    "no",
    "same",
    "dog",
    "runs",
    "the",
    "Bonn",
    "forty",
    "unheard",
]
TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=25).map(" ".join)
WIDTH = 16


def attention(path, n_words, n_classes, output, seed=0):
    """One layer of masked attention over random embeddings; tokens see each other."""
    rng = np.random.default_rng(seed)
    constants = {
        "table": rng.normal(size=(n_words, WIDTH)).astype(np.float32),
        "head": rng.normal(size=(WIDTH, n_classes)).astype(np.float32),
        "one": np.array(1, np.float32), "far": np.array(-1e4, np.float32),
        "middle": np.array([1], np.int64), "first": np.array(0, np.int64),
    }  # fmt: skip
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["x"]),
        helper.make_node("Transpose", ["x"], ["xt"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["x", "xt"], ["scores"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["one", "mask"], ["gone"]),
        helper.make_node("Mul", ["gone", "far"], ["bias"]),
        helper.make_node("Unsqueeze", ["bias", "middle"], ["bias_B1L"]),
        helper.make_node("Add", ["scores", "bias_B1L"], ["masked"]),
        helper.make_node("Softmax", ["masked"], ["shares"], axis=-1),
        helper.make_node("MatMul", ["shares", "x"], ["mixed"]),
        helper.make_node("MatMul", ["mixed", "head"], ["tokens"]),
    ]
    shape = ["B", "L", "C"]
    if output == "pair":
        nodes.append(helper.make_node("Gather", ["tokens", "first"], ["logits"], axis=1))
        shape = ["B", "C"]
    else:
        nodes.append(helper.make_node("Identity", ["tokens"], ["logits"]))
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "attention",
        [value(name, TensorProto.INT64, ["B", "L"]) for name in ("input_ids", "attention_mask")],
        [value("logits", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


@pytest.fixture(scope="module")
def mixing(make, tmp_path_factory):
    """Bundles of xnli and udpos whose answers depend on all words of a text."""
    from xlt.core.artifacts.bundle import write_manifest

    folder = tmp_path_factory.mktemp("mixing")
    for name, kind in (("xnli", "pair"), ("udpos", "tag")):
        make.bundle(folder / name, name)
        table = make.tables()[name]
        attention(folder / name / "onnx/model.onnx", *table.shape, kind)
        manifest = json.loads((folder / name / "xlt.json").read_text())
        write_manifest(
            folder / name, {k: v for k, v in manifest.items() if k not in {"schema", "files"}}
        )
    return folder


@pytest.fixture(scope="module")
def alone(mixing):
    """One open session with one thread."""
    return Engine.open(mixing / "xnli", threads=1, batch_tokens=4096)


PROPERTY = settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


@PROPERTY
@given(
    pairs=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=20),
    budget=st.integers(1, 600),
    threads=st.integers(1, 3),
)
def test_an_item_has_one_prediction_in_any_batch_thread_and_session(
    alone, mixing, pairs, budget, threads
):
    by_one = bits([alone.predict([pair])[0] for pair in pairs])
    other = Engine.open(mixing / "xnli", threads=threads, batch_tokens=budget)
    assert bits(other.predict(pairs)) == by_one
    assert bits(alone.predict(pairs)) == by_one


def bits(predictions):
    return [(one.label, np.asarray(one.probabilities).tobytes()) for one in predictions]


def content(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "measured.json"
    }


class Alone:
    """A cluster of this process."""

    run = "alone"

    def __init__(self, plan):
        self.plan = plan

    def fetch_plan(self):
        return pickle.loads(pickle.dumps(replace(self.plan, cells=())))


@settings(PROPERTY, max_examples=5)
@given(
    rows=st.lists(st.tuples(TEXTS, TEXTS, st.sampled_from(["neutral", "contradiction"])),
                  min_size=1, max_size=30),
    sentences=st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=40), min_size=1,
                       max_size=10),
    budget=st.integers(1, 300),
)  # fmt: skip
def test_a_results_folder_has_one_content_for_any_budget_threads_and_engine(
    make, mixing, tmp_path_factory, rows, sentences, budget
):
    folder = tmp_path_factory.mktemp("same")
    tagged = "\n".join("".join(f"{word}\tNOUN\n" for word in words) for words in sentences)
    lines = "".join("\t".join(row) + "\n" for row in rows)
    root = make.root(
        folder / "root",
        {"xnli/test-en.tsv": lines, "xnli/test-sw.tsv": lines, "udpos/test-de.tsv": tagged + "\n"},
    )
    evaluate(mixing, root, out=folder / "a", threads=1)
    evaluate(mixing, root, out=folder / "b", threads=2, batch_tokens=budget)
    assert content(folder / "a") == content(folder / "b")
    config = EvalConfig(models=(mixing,), data=root, out=folder / "c", engine="ray", threads=1)
    plan = make_plan(config)
    remote._kept.clear()
    for cell in plan.cells:
        job = _job(plan, cell)
        here = compute(plan, job, Engines(plan)).outcome
        there = remote.answer_cell(Alone(plan), pickle.loads(pickle.dumps(job))).unpack().outcome
        assert there.predictions == here.predictions
        assert (there.metrics, there.interval) == (here.metrics, here.interval)
    remote._kept.clear()
