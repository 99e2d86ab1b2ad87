"""Blocks are found in the forms that exporters write them in."""

import numpy as np
import onnx
from onnx import numpy_helper

from xlt.core.kinds.table import KINDS
from xlt.export.checkpoint.reading import read_checkpoint
from xlt.export.checkpoint.weights import load_model
from xlt.export.graph.blocks import find_blocks
from xlt.export.graph.convert import convert
from xlt.export.graph.surgery import Editor


def test_heads_may_be_what_is_left_of_the_width(checkpoints, tmp_path):
    path = tmp_path / "model.onnx"
    model = load_model(read_checkpoint(checkpoints("xlm-roberta", "pair")))
    names = ["input_ids", "attention_mask"]
    convert(model, path, kind=KINDS["pair"], inputs=names, model_type="xlm-roberta")
    usual = find_blocks(Editor(onnx.load(str(path))))
    graph = onnx.load(str(path))
    editor = Editor(graph)
    opened = 0
    for node in graph.graph.node:  # [.., heads, width] -> [.., -1, width], as transformers 5 has it
        if node.op_type == "Reshape" and node.output[0] in editor.takers:
            shape = editor.maker.get(node.input[1])
            taker = editor.takers[node.output[0]][0].op_type
            if shape is not None and shape.op_type == "Concat" and taker == "Transpose":
                heads = numpy_helper.from_array(np.array([-1], np.int64), f"open.{opened}")
                graph.graph.initializer.append(heads)
                shape.input[2] = heads.name
                opened += 1
    assert opened == 3 * len(usual) == 9
    found = find_blocks(Editor(graph))
    assert [(one.heads, one.width) for one in found] == [(one.heads, one.width) for one in usual]
