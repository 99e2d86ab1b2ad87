"""Editing a graph."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from xlt.export.graph.surgery import Editor


def test_a_constant_behind_identities_is_read_as_the_constant():
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["zeros"], ["layer.0.bias"]),
            helper.make_node("Identity", ["layer.0.bias"], ["layer.1.bias"]),
            helper.make_node("Identity", ["x"], ["passed"]),
            helper.make_node("Add", ["passed", "layer.1.bias"], ["y"]),
        ],
        "shared",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(np.zeros(3, np.float32), "zeros")],
    )
    editor = Editor(helper.make_model(body))
    total = editor.maker["y"]
    assert list(total.input) == ["passed", "zeros"]
    assert editor.shape(total.input[1]) == (3,)
    left = editor.finish()
    assert [node.op_type for node in left.graph.node] == ["Identity", "Add"]
