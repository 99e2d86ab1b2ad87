"""A graph with weights beside it can be read by whoever reads the graph."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from xlt.export.graph import saving


def graph():
    weights = numpy_helper.from_array(np.arange(4096, dtype=np.float32).reshape(64, 64), "w")
    ends = [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1, 64]) for n in ("x", "y")]
    product = helper.make_node("MatMul", ["x", "w"], ["y"])
    return helper.make_model(helper.make_graph([product], "g", ends[:1], ends[1:], [weights]))


def test_weights_beside_a_graph_are_there_for_everybody(tmp_path, monkeypatch):
    monkeypatch.setattr(saving, "DATA_LIMIT", 100)
    saving.save_graph(graph(), tmp_path / "m.onnx")
    parts = {part.name: part.stat().st_mode & 0o777 for part in tmp_path.iterdir()}
    assert parts == {"m.onnx": 0o644, "m.onnx_data": 0o644}
    back = onnx.load(str(tmp_path / "m.onnx"))
    assert numpy_helper.to_array(back.graph.initializer[0])[63, 63] == 4095


def test_small_graphs_are_one_file(tmp_path):
    saving.save_graph(graph(), tmp_path / "m.onnx")
    assert [part.name for part in tmp_path.iterdir()] == ["m.onnx"]
