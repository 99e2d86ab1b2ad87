"""A graph in half precision, for GPUs, its blocks fused; inputs and outputs stay as they are.

Sentence vectors are pooled in fp32: a sum over 512 tokens does not fit half precision well.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from xlt.core.kinds.embed import TOKEN_VECTORS
from xlt.export.graph.fused import fuse
from xlt.export.graph.saving import save_graph

__all__ = ["halve"]

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16
LARGEST = float(np.finfo(np.float16).max)


def halve(source: Path, target: Path, *, fused: bool = True) -> int:
    """Write a graph's half-precision form.

    Args:
        source: the fp32 graph.
        target: the file to write; weights above 2 GB go to `<target>_data`.
        fused: whether blocks are rewritten as a few large nodes; rows are then padded on the
            right.

    Returns:
        How many blocks were rewritten.
    """
    model = onnx.load(str(source), load_external_data=True)
    blocks = fuse(model) if fused else 0
    _convert(model)
    save_graph(model, target)
    return blocks


def _convert(model: ModelProto) -> None:
    graph = model.graph
    outputs = {value.name for value in graph.output}
    hidden = next((name for name in TOKEN_VECTORS if name in outputs), None)
    exact = _after(graph.node, hidden) if hidden is not None else []
    kept = {id(node) for node in exact}
    inside = [node for node in graph.node if id(node) not in kept]
    whole = {value.name for value in graph.output if value.type.tensor_type.elem_type == FLOAT}
    shared = {name for node in exact for name in node.input}
    halved = {name for node in inside for name in node.input}
    for tensor in list(graph.initializer):
        if tensor.data_type == FLOAT and tensor.name in halved:
            if tensor.name in shared:
                raise ValueError(f"{tensor.name} is read in both precisions")
            tensor.CopyFrom(_half(tensor))
    casts = []
    for node in inside:
        _halve_node(node)
        for place, name in enumerate(node.output):
            crosses = name in shared and node.op_type not in {"Constant", "Shape"}
            if name in whole or (crosses and name == hidden):
                node.output[place] = f"{name}.half"
                for other in inside:
                    for slot, taken in enumerate(other.input):
                        if taken == name:
                            other.input[slot] = f"{name}.half"
                casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=FLOAT))
    nodes = [*inside, *casts, *exact]
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.value_info[:]


def _after(nodes: list[NodeProto], hidden: str) -> list[NodeProto]:
    """The nodes that pool: those after the hidden states, and what only they need."""
    known = {hidden}
    found = []
    for node in nodes:
        if known.intersection(node.input):
            known.update(node.output)
            found.append(node)
    while True:
        takers: dict[str, list[NodeProto]] = {}
        for node in nodes:
            for name in node.input:
                takers.setdefault(name, []).append(node)
        inner = {id(node) for node in found}
        more = [
            node
            for node in nodes
            if id(node) not in inner
            and hidden not in node.output
            and all(takers.get(name) for name in node.output)
            and all(id(t) in inner for name in node.output for t in takers.get(name, []))
        ]
        if not more:
            order = {id(node): n for n, node in enumerate(nodes)}
            return sorted(found, key=lambda node: order[id(node)])
        found += more


def _halve_node(node: NodeProto) -> None:
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.TENSOR and attribute.t.data_type == FLOAT:
            attribute.t.CopyFrom(_half(attribute.t))
        elif node.op_type == "Cast" and attribute.name == "to" and attribute.i == FLOAT:
            attribute.i = HALF


def _half(tensor: TensorProto) -> TensorProto:
    """In half precision; what is beyond its range (a mask's lowest number) becomes its end."""
    values = np.clip(numpy_helper.to_array(tensor), -LARGEST, LARGEST)
    return numpy_helper.from_array(values.astype(np.float16), tensor.name)
