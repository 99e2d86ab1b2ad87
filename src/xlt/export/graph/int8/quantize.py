"""An fp32 graph becomes an int8 one that never lets a row depend on its batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from xlt.export.graph.blocks import find_blocks, trunks
from xlt.export.graph.int8.calibrate import Feeds, Seen, observe
from xlt.export.graph.int8.products import Layer, Writer
from xlt.export.graph.int8.recipe import Recipe
from xlt.export.graph.int8.trunk import watched, write_trunk
from xlt.export.graph.saving import save_graph
from xlt.export.graph.surgery import Editor, attribute

__all__ = ["Quantized", "calibrate", "quantize"]

SMALLEST = 16  # columns of an activation below which a product stays in fp32
FEWEST_ROWS = 256  # of the largest embedding, below which it stays in fp32


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantized:
    """What was done to a graph: blocks rewritten, other products, embeddings."""

    blocks: int
    products: int
    embeddings: int


def calibrate(source: Path, feeds: Sequence[Feeds]) -> dict[str, Seen]:
    """Look at the activations of a graph's blocks.

    Args:
        source: the fp32 graph.
        feeds: train or dev text without padding, one input each.
    """
    names = _watched(source)
    return observe(source, names, feeds) if names else {}


def _watched(source: Path) -> list[str]:
    """Names of the activations to look at; the weights read to find them are gone afterwards."""
    editor = Editor(onnx.load(str(source), load_external_data=True))
    return list(dict.fromkeys(watched(find_blocks(editor))))


def quantize(source: Path, target: Path, recipe: Recipe, seen: Mapping[str, Seen]) -> Quantized:
    """Write the int8 form of a graph.

    Post-norm transformer blocks are rewritten as a whole (`trunk`). Every other product of an
    activation and a weight gets one scale a row. Heads of fewer than 16 columns stay in fp32.

    Args:
        source: the fp32 graph.
        target: the file to write; weights above 2 GB go to `<target>_data`.
        recipe: the choices.
        seen: from `calibrate`.
    """
    editor = Editor(onnx.load(str(source), load_external_data=True))
    blocks = find_blocks(editor)
    number, exact = 0, set[str]()
    for run in trunks(blocks):
        exact |= write_trunk(editor, run, seen, recipe, number)
        number += len(run)
    model = editor.finish()
    editor = Editor(model)
    products = _other_products(editor, recipe, exact)
    embeddings = int(recipe.embeddings and _embedding(editor))
    model = editor.finish()
    save_graph(model, target)
    return Quantized(blocks=len(blocks), products=products, embeddings=embeddings)


def _other_products(editor: Editor, recipe: Recipe, exact: set[str]) -> int:
    """MatMuls outside the rewritten blocks: one scale a row; those of one input share its bytes.

    Those that the recipe leaves `exact` are left alone.
    """
    writer = Writer(editor, recipe.limit)
    groups: dict[str, list[onnx.NodeProto]] = {}
    for node in editor.graph.node:
        size = editor.shape(node.input[1]) if node.op_type == "MatMul" else None
        if node.output[0] in exact or size is None or len(size) != 2:
            continue
        if min(size) >= SMALLEST:
            groups.setdefault(node.input[0], []).append(node)
    for count, (taken, nodes) in enumerate(groups.items()):
        name = f"int8.other.{count}"
        layers = []
        for node in nodes:
            weight = editor.constant(node.input[1])
            assert weight is not None
            layers.append(
                Layer(
                    weight=weight.astype(np.float32),
                    bias=np.zeros(weight.shape[1], np.float32),
                    made=f"{node.output[0]}.rows",
                )
            )
        width = layers[0].weight.shape[0]
        flat = editor.weight(f"{name}.matrix", np.array([-1, width], np.int64))
        rows = editor.node("Reshape", [taken, flat], f"{name}.in")
        writer.by_row(name, rows, layers)
        shape = editor.node("Shape", [taken], f"{name}.shape", start=0, end=-1)
        for node, layer in zip(nodes, layers, strict=True):
            last = editor.weight(f"{layer.made}.width", np.array([layer.weight.shape[1]], np.int64))
            full = editor.node("Concat", [shape, last], f"{layer.made}.shape", axis=0)
            editor.node("Reshape", [layer.made, full], node.output[0])
    return sum(map(len, groups.values()))


def _embedding(editor: Editor) -> bool:
    """The largest embedding, that of words, becomes int8 with one scale a row."""
    sizes = {
        node.output[0]: size
        for node in editor.graph.node
        if node.op_type == "Gather" and attribute(node, "axis", 0) == 0
        for size in [editor.shape(node.input[0])]
        if size is not None and len(size) == 2 and size[0] >= FEWEST_ROWS and size[1] >= SMALLEST
    }
    made = max(sizes, key=lambda name: sizes[name][0], default="")
    table = editor.constant(editor.maker[made].input[0]) if made else None
    if table is None or table.dtype != np.float32:
        return False
    name, place = editor.maker[made].input
    scale_V1 = np.maximum(np.abs(table).max(axis=1, keepdims=True) / 127, 1e-12)
    whole_VD = np.rint(table / scale_V1).astype(np.int8)
    bytes_VD = editor.weight(f"{name}.int8", whole_VD)
    scales = editor.weight(f"{name}.scales", scale_V1.astype(np.float32))
    numbers = editor.node("Gather", [bytes_VD, place], f"{made}.int8")
    cast = editor.node("Cast", [numbers], f"{made}.cast", to=onnx.TensorProto.FLOAT)
    scale = editor.node("Gather", [scales, place], f"{made}.scale")
    editor.node("Mul", [cast, scale], made)
    return True
