"""Graphs through optimum and straight through torch give PyTorch's numbers, at any shape."""

import sys

import numpy as np
import onnx
import pytest
import torch

from xlt.core.errors import MissingExtra, ModelError
from xlt.core.inference.session import Session
from xlt.core.kinds.table import KINDS
from xlt.export.checkpoint.reading import read_checkpoint
from xlt.export.checkpoint.weights import load_model
from xlt.export.graph import convert as conversion
from xlt.export.graph.convert import convert
from xlt.export.graph.sentence import SentenceEncoder, cut_blocks

ALL = [
    ("xlm-roberta", "pair"),
    ("xlm-roberta", "choice"),
    ("xlm-roberta", "tag"),
    ("bert", "span"),
    ("bert", "choice"),
    ("distilbert", "embed"),
    ("deberta-v2", "pair"),
    ("modernbert", "span"),
    ("modernbert", "embed"),
]


def model_of(checkpoint, kind):
    model = load_model(checkpoint)
    if kind != "embed":
        return model
    cut_blocks(model, 2, checkpoint.depth)
    return SentenceEncoder(model, pooling="last")


def largest_difference(model, path, graph, kind):
    generator = torch.Generator().manual_seed(5)
    session = Session(path, device="cpu", threads=1)
    worst = 0.0
    for rows, length in ((1, 4), (2, 33), (5, 17)):
        shape = (rows, 3, length) if kind == "choice" else (rows, length)
        ids = torch.randint(5, 300, shape, generator=generator)
        mask = torch.ones_like(ids)
        mask[0, ..., length // 2 :] = 0
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": (ids > 150).long()}
        feeds = {name: feeds[name] for name in graph.inputs}
        with torch.no_grad():
            expected = model(**feeds)
        got = session.run({name: value.numpy() for name, value in feeds.items()}, graph.outputs)
        for name, array in zip(graph.outputs, got, strict=True):
            difference = np.abs(expected[name].numpy() - array)
            if difference.shape[:2] == (rows, length):
                difference = difference[mask.numpy() == 1]
            worst = max(worst, float(difference.max()))
    return worst


@pytest.mark.parametrize(("model_type", "kind"), ALL)
def test_graph_equals_pytorch(checkpoints, tmp_path, model_type, kind):
    checkpoint = read_checkpoint(checkpoints(model_type, kind))
    model = model_of(checkpoint, kind)
    path = tmp_path / "onnx" / "model.onnx"
    inputs = ["input_ids", "attention_mask"] + ["token_type_ids"] * (model_type == "bert")
    graph = convert(model, path, kind=KINDS[kind], inputs=inputs, model_type=model_type)
    through_torch = (model_type, kind) == ("modernbert", "span")  # optimum knows no such task
    assert graph.exporter == ("torch" if through_torch else "optimum")
    assert (graph.opset, graph.files) == (18, ("model.onnx",))
    assert graph.ir >= 8
    assert list(graph.inputs) == inputs
    assert set(KINDS[kind].outputs) <= set(graph.outputs)
    assert largest_difference(model, path, graph, kind) < 1e-5


@pytest.mark.parametrize(("model_type", "kind"), [("xlm-roberta", "embed"), ("bert", "choice")])
def test_where_optimum_does_not_import_torch_writes_the_same(
    checkpoints, tmp_path, monkeypatch, model_type, kind
):
    monkeypatch.setitem(sys.modules, "optimum.exporters.onnx.convert", None)
    monkeypatch.setattr(conversion.metadata, "version", lambda package: "5.1.0")
    checkpoint = read_checkpoint(checkpoints(model_type, kind))
    model = model_of(checkpoint, kind)
    path = tmp_path / "model" / "model.onnx"
    inputs = ["input_ids", "attention_mask"] + ["token_type_ids"] * (model_type == "bert")
    graph = convert(model, path, kind=KINDS[kind], inputs=inputs, model_type=model_type)
    assert graph.exporter == "torch"
    assert largest_difference(model, path, graph, kind) < 1e-5


def test_missing_optimum_is_exit_6(checkpoints, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optimum.exporters.onnx.convert", None)
    checkpoint = read_checkpoint(checkpoints())
    with pytest.raises(MissingExtra, match="optimum-onnx") as caught:
        convert(
            load_model(checkpoint), tmp_path / "x" / "model.onnx", kind=KINDS["pair"],
            inputs=["input_ids", "attention_mask"], model_type="xlm-roberta",
        )  # fmt: skip
    assert caught.value.exit_code == 6
    assert "[export]" in caught.value.hint


def test_input_that_the_tokenizer_does_not_give_is_not_in_the_graph(checkpoints, tmp_path):
    checkpoint = read_checkpoint(checkpoints("bert", "pair"))
    graph = convert(
        load_model(checkpoint), tmp_path / "x" / "model.onnx", kind=KINDS["pair"],
        inputs=["input_ids", "attention_mask"], model_type="bert",
    )  # fmt: skip
    assert graph.inputs == ("input_ids", "attention_mask")


def test_axes_are_named_and_open(checkpoints, tmp_path):
    checkpoint = read_checkpoint(checkpoints(kind="embed"))
    path = tmp_path / "x" / "model.onnx"
    convert(
        model_of(checkpoint, "embed"), path, kind=KINDS["embed"],
        inputs=["input_ids", "attention_mask"], model_type="xlm-roberta",
    )  # fmt: skip
    found = {}
    for value in [*onnx.load(path).graph.input, *onnx.load(path).graph.output]:
        dims = value.type.tensor_type.shape.dim
        found[value.name] = [dim.dim_param or dim.dim_value for dim in dims]
    assert found == {
        "input_ids": ["batch_size", "sequence_length"],
        "attention_mask": ["batch_size", "sequence_length"],
        "sentence_embedding": ["batch_size", 32],
        "last_hidden_state": ["batch_size", "sequence_length", 32],
    }


def test_same_weights_give_the_same_bytes(checkpoints, tmp_path):
    checkpoint = read_checkpoint(checkpoints())
    written = []
    for name in ("a", "b"):
        path = tmp_path / name / "model.onnx"
        convert(
            load_model(checkpoint), path, kind=KINDS["pair"],
            inputs=["input_ids", "attention_mask"], model_type="xlm-roberta",
        )  # fmt: skip
        written.append(path.read_bytes())
    assert written[0] == written[1]


def test_weights_above_the_limit_lie_in_one_file_beside_the_graph(tmp_path):
    weight = onnx.numpy_helper.from_array(np.arange(400, dtype=np.float32), "w")
    value = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node("Add", ["x", "w"], ["y"])
    graph = onnx.helper.make_graph(
        [node], "g", [value("x", 1, [400])], [value("y", 1, [400])], [weight]
    )
    path = tmp_path / "model.onnx"
    opset = onnx.helper.make_opsetid("", 18)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8)
    onnx.save(
        model,
        str(path),
        save_as_external_data=True,
        all_tensors_to_one_file=False,
        size_threshold=0,
    )  # one file a weight, as the tracer leaves them
    assert (tmp_path / "w").is_file()
    conversion._gather_weights(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.onnx", "model.onnx_data"]
    got = Session(path, device="cpu", threads=1).run({"x": np.ones(400, np.float32)}, ["y"])
    assert np.array_equal(got[0], np.arange(400, dtype=np.float32) + 1)


def test_exporter_failure_is_exit_4(checkpoints, tmp_path, monkeypatch):
    def fail(*arguments, **settings):
        raise RuntimeError("unsupported operator\nwith details")

    monkeypatch.setattr(conversion, "_export_with_optimum", fail)
    checkpoint = read_checkpoint(checkpoints())
    with pytest.raises(ModelError, match="unsupported operator with details"):
        convert(
            load_model(checkpoint), tmp_path / "x" / "model.onnx", kind=KINDS["pair"],
            inputs=["input_ids", "attention_mask"], model_type="xlm-roberta",
        )  # fmt: skip
