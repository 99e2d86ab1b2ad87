"""Finding post-norm transformer blocks (BERT, RoBERTa, XLM-R, MiniLM, ELECTRA ...) in a graph.

A block is recognised by what it computes, from its Softmax outwards, and never by names:
three projections of one input, scores, Softmax, context, projection, residual, norm, then two
layers with an activation between, residual, norm.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from xlt.export.graph.records import Activation, Block, Dense, Norm
from xlt.export.graph.surgery import Editor, attribute

__all__ = ["find_blocks", "trunks"]

# What may stand between the layers of the feed-forward part: each number by itself.
POINTWISE = {"Relu", "Erf", "Tanh", "Mul", "Div", "Add", "Sub", "Pow", "Sqrt", "Sigmoid", "Gelu"}
MOST_NODES = 20
OPEN = -1  # of a Reshape's target: what is left; transformers 5 writes the number of heads so
GRID = np.linspace(-30, 30, 6001, dtype=np.float32)


class _NoBlock(Exception):
    """The surroundings of a Softmax are not those of a block that we know."""


def find_blocks(editor: Editor) -> list[Block]:
    """All blocks, in the order of the graph."""
    return list(_blocks(editor))


def trunks(blocks: list[Block]) -> list[list[Block]]:
    """Runs of blocks, each of which reads what the one before it made."""
    found: list[list[Block]] = []
    for block in blocks:
        if found and found[-1][-1].made == block.taken:
            found[-1].append(block)
        else:
            found.append([block])
    return found


def _blocks(editor: Editor) -> Iterator[Block]:
    for node in editor.graph.node:
        if node.op_type == "Softmax":
            try:
                yield _block(editor, node)
            except _NoBlock:
                continue


def _block(editor: Editor, softmax: NodeProto) -> Block:
    product, scores, scale = _product_before(editor, softmax.input[0])
    query, heads, width, before_query = _projected(editor, product.input[0])
    key, _, _, before_key = _projected(editor, product.input[1])
    second = _taker(editor, softmax.output[0], "MatMul")
    value, _, _, before_value = _projected(editor, second.input[1])
    if before_value != 1:
        raise _NoBlock("values are scaled")
    context = _through(editor, second.output[0], ("Transpose", "Reshape"))
    output = _dense_of_input(editor, context)
    taken = query.taken
    if not key.taken == value.taken == taken:
        raise _NoBlock("queries, keys and values read different tensors")
    norm_1 = _norm(editor, output.made, taken)
    inner = _dense_of_input(editor, norm_1.made)
    outer = _beside(editor, norm_1.made)
    activation = _activation(editor, inner.made, outer.taken)
    norm_2 = _norm(editor, outer.made, norm_1.made)
    rows = editor.shape(query.weight)
    if rows is None or heads * width != rows[1] or outer.taken == norm_1.made:
        raise _NoBlock("heads and widths do not fit")
    return Block(
        taken=taken,
        heads=heads,
        width=width,
        query=query,
        key=key,
        value=value,
        scores=scores,
        scale=scale * before_query * before_key,
        probabilities=softmax.output[0],
        output=output,
        norm_1=norm_1,
        inner=inner,
        activation=activation,
        outer=outer,
        norm_2=norm_2,
    )


def _product_before(editor: Editor, name: str) -> tuple[NodeProto, str, float]:
    """The product of queries and keys before a Softmax; its scaled result's name; the scale."""
    for _ in range(4):
        node = editor.maker.get(name)
        if node is None:
            break
        if node.op_type == "MatMul":
            return node, name, 1.0
        factor = _factor(editor, node)
        if factor is not None:
            inside = editor.maker.get(_varying(editor, node))
            if inside is not None and inside.op_type == "MatMul":
                return inside, name, factor
        # a mask is added, or written over the scores
        if node.op_type == "Add":
            leads = [i for i in node.input if _leads_to_product(editor, i)]
        elif node.op_type == "Where":
            leads = [i for i in node.input[1:] if _leads_to_product(editor, i)]
        else:
            break
        if len(leads) != 1:
            break
        name = leads[0]
    raise _NoBlock("no product before the Softmax")


def _leads_to_product(editor: Editor, name: str) -> bool:
    node = editor.maker.get(name)
    if node is not None and _factor(editor, node) is not None:
        node = editor.maker.get(_varying(editor, node))
    return node is not None and node.op_type in {"MatMul", "Add"}


def _factor(editor: Editor, node: NodeProto) -> float | None:
    """What a node multiplies its other input by, when that is one number."""
    if node.op_type not in {"Mul", "Div"}:
        return None
    places = (0, 1) if node.op_type == "Mul" else (1,)
    for place in places:
        value = editor.constant(node.input[place])
        if value is not None and value.size == 1:
            number = float(value.reshape(()))
            return number if node.op_type == "Mul" else 1 / number
    return None


def _varying(editor: Editor, node: NodeProto) -> str:
    return str(next(name for name in node.input if editor.constant(name) is None))


def _projected(editor: Editor, name: str) -> tuple[Dense, int, int, float]:
    """A projection, split into heads: the layer, number and width of heads, a factor after it."""
    scale, split = 1.0, None
    for _ in range(5):
        node = editor.maker.get(name)
        if node is None:
            break
        factor = _factor(editor, node)
        if factor is not None:
            scale, name = scale * factor, _varying(editor, node)
        elif node.op_type == "Transpose":
            name = node.input[0]
        elif node.op_type == "Reshape":
            split = _last_two(editor, node.input[1])
            name = node.input[0]
        elif node.op_type == "Add" and split is not None:
            dense, (heads, width) = _dense_of_sum(editor, node), split
            size = editor.shape(dense.weight)
            assert size is not None
            return dense, size[1] // width if heads == OPEN else heads, width, scale
        else:
            break
    raise _NoBlock("no projection split into heads")


def _last_two(editor: Editor, shape: str) -> tuple[int, int]:
    """The last two numbers of a Reshape's target: heads, which may be open, and their width."""
    known = editor.constant(shape)
    if known is not None and known.size == 4:
        pair = (int(known[2]), int(known[3]))
    else:
        node = editor.maker.get(shape)
        if node is None or node.op_type != "Concat" or len(node.input) != 4:
            raise _NoBlock("another split into heads")
        parts = [editor.constant(part) for part in node.input[2:]]
        numbers = [int(part.reshape(())) for part in parts if part is not None and part.size == 1]
        if len(numbers) != 2:
            raise _NoBlock("another split into heads")
        pair = (numbers[0], numbers[1])
    if pair[1] < 1 or (pair[0] < 1 and pair[0] != OPEN):
        raise _NoBlock("heads of open width")
    return pair


def _dense_of_sum(editor: Editor, node: NodeProto) -> Dense:
    """The layer whose bias a node adds."""
    for bias, product in (tuple(node.input), tuple(reversed(node.input))):
        maker, size = editor.maker.get(product), editor.shape(bias)
        if maker is None or maker.op_type != "MatMul" or size is None or len(size) != 1:
            continue
        weight = editor.shape(maker.input[1])
        if weight is not None and len(weight) == 2:
            return Dense(
                taken=maker.input[0], weight=maker.input[1], bias=bias, made=node.output[0]
            )
    raise _NoBlock("no layer with a bias")


def _dense_of_input(editor: Editor, name: str) -> Dense:
    """The one layer that reads a tensor."""
    found = [
        _dense_of_sum(editor, after)
        for node in editor.takers.get(name, [])
        if node.op_type == "MatMul" and node.input[0] == name
        for after in editor.takers.get(node.output[0], [])
        if after.op_type == "Add"
    ]
    if len(found) != 1:
        raise _NoBlock(f"{len(found)} layers read a tensor that one should read")
    return found[0]


def _beside(editor: Editor, residual: str) -> Dense:
    """The layer whose result a residual is added to."""
    sums = [node for node in editor.takers.get(residual, []) if node.op_type == "Add"]
    if len(sums) != 1:
        raise _NoBlock("no one residual sum")
    other = [name for name in sums[0].input if name != residual]
    maker = editor.maker.get(other[0]) if len(other) == 1 else None
    if maker is None or maker.op_type != "Add":
        raise _NoBlock("the residual is added to another thing than a layer's output")
    return _dense_of_sum(editor, maker)


def _taker(editor: Editor, name: str, kind: str) -> NodeProto:
    node = editor.only_taker(name)
    if node is None or node.op_type != kind:
        raise _NoBlock(f"no {kind} alone takes a tensor")
    return node


def _through(editor: Editor, name: str, kinds: tuple[str, ...]) -> str:
    """The tensor after a chain of nodes; a Shape may look at tensors on the way."""
    for kind in kinds:
        nodes = [node for node in editor.takers.get(name, []) if node.op_type != "Shape"]
        if len(nodes) != 1 or nodes[0].op_type != kind:
            raise _NoBlock(f"no {kind} follows")
        name = nodes[0].output[0]
    return name


def _norm(editor: Editor, name: str, residual: str) -> Norm:
    """The norm of a tensor plus the residual."""
    total = _taker(editor, name, "Add")
    if set(total.input) != {name, residual}:
        raise _NoBlock("the sum before the norm is of other tensors")
    node = _taker(editor, total.output[0], "LayerNormalization")
    if attribute(node, "axis", -1) != -1 or len(node.input) < 3:
        raise _NoBlock("a norm of another form")
    return Norm(
        weight=node.input[1],
        bias=node.input[2],
        epsilon=float(attribute(node, "epsilon", 1e-5)),
        made=node.output[0],
    )


def _activation(editor: Editor, before: str, after: str) -> Activation:
    """The numbers-by-themselves nodes between two tensors, and what they compute."""
    nodes: dict[str, NodeProto] = {}
    open_names = [after]
    while open_names:
        name = open_names.pop()
        node = editor.maker.get(name)
        if name == before or name in nodes or editor.constant(name) is not None:
            continue
        if node is None or node.op_type not in POINTWISE or len(nodes) > MOST_NODES:
            raise _NoBlock("another thing than an activation between the layers")
        nodes[name] = node
        open_names += [name for name in node.input if name]
    constants = {
        name: editor.constant(name) for node in nodes.values() for name in node.input if name
    }
    if any(value is not None and value.size != 1 for value in constants.values()):
        raise _NoBlock("an activation with weights")
    body = helper.make_graph(
        [node for node in editor.graph.node if node.output[0] in nodes],
        "activation",
        [helper.make_tensor_value_info(before, TensorProto.FLOAT, ["n"])],
        [helper.make_tensor_value_info(after, TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(v, n) for n, v in constants.items() if v is not None],
    )
    model = helper.make_model(body, opset_imports=editor.model.opset_import)
    (out_N,) = ReferenceEvaluator(model).run(None, {before: GRID})
    exact = [x * 0.5 * (1 + math.erf(x / math.sqrt(2))) for x in GRID.tolist()]
    return Activation(
        exact_gelu=bool(np.abs(out_N - np.array(exact)).max() < 1e-4),
        lowest=float(out_N.min()),
    )
