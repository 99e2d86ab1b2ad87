"""A run of transformer blocks in 8 bits, on rows instead of batches.

Hidden states are a matrix [S x B, H], all first tokens of a batch before all second ones; the
attention's products take heads apart by strides, so that nothing but its result is transposed.
Sum and norm stay two nodes: ONNX Runtime's fusion of both is several times as slow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from xlt.export.graph.int8.calibrate import Seen
from xlt.export.graph.int8.products import Layer, Writer
from xlt.export.graph.int8.recipe import Recipe
from xlt.export.graph.int8.scales import smoothing
from xlt.export.graph.records import Block, Dense, Norm
from xlt.export.graph.surgery import MICROSOFT, Editor

__all__ = ["watched", "write_trunk"]


def watched(blocks: Sequence[Block]) -> list[str]:
    """The activations whose numbers decide scales."""
    return [
        name
        for block in blocks
        for name in (block.taken, block.output.taken, block.norm_1.made, block.outer.taken)
    ]


def write_trunk(
    editor: Editor, blocks: Sequence[Block], seen: Mapping[str, Seen], recipe: Recipe, first: int
) -> set[str]:
    """Replace a run of blocks.

    Args:
        editor: the graph.
        blocks: each reads what the one before it made.
        seen: calibration of `watched`.
        recipe: the choices.
        first: number of the run's first block in the graph.

    Returns:
        Outputs of the products that stay in fp32.
    """
    writer = Writer(editor, recipe.limit, nearest=recipe.nearest)
    start = f"int8.trunk.{first}"
    turned = editor.node("Transpose", [blocks[0].taken], f"{start}.turned", perm=[1, 0, 2])
    shape = editor.node("Shape", [turned], f"{start}.shape")  # [S, B, H]
    two = editor.weight(f"{start}.two", np.array([0, 1], np.int64))
    sizes = editor.node("Gather", [shape, two], f"{start}.sizes", axis=0)
    heads = editor.weight(f"{start}.heads", np.array([blocks[0].heads, blocks[0].width], np.int64))
    split = editor.node("Concat", [sizes, heads], f"{start}.split", axis=0)
    flat = editor.weight(
        f"{start}.flat", np.array([-1, blocks[0].heads * blocks[0].width], np.int64)
    )
    rows = editor.node("Reshape", [turned, flat], f"{start}.in")
    for number, block in enumerate(blocks, first):
        rows = _block(writer, block, seen, recipe, number, rows, split, flat)
        back = editor.node("Reshape", [rows, shape], f"int8.{number}.back")
        editor.node("Transpose", [back], block.made, perm=[1, 0, 2])
    return writer.exact_products


def _block(
    writer: Writer,
    block: Block,
    seen: Mapping[str, Seen],
    recipe: Recipe,
    number: int,
    rows: str,
    split: str,
    flat: str,
) -> str:
    """Write one block; gives the name of its output rows."""
    editor, name = writer.editor, f"int8.{number}"
    attended = _attention(writer, block, seen, recipe, number, rows, split, flat)
    middle = _sum_and_norm(editor, f"{name}.middle", attended, rows, block.norm_1)

    inner_name = f"{name}.inner" if block.activation.exact_gelu else block.inner.made
    inner = _layer(editor, block.inner, inner_name)
    mode = recipe.mode(number, "inner")
    about = seen[block.norm_1.made]
    writer.smoothed(f"{name}.inner", middle, [inner], about, mode, recipe.share)
    active = block.outer.taken
    if block.activation.exact_gelu:
        active = editor.node("Gelu", [inner_name], f"{name}.active", domain=MICROSOFT)
    writer.one_sided(
        f"{name}.outer",
        active,
        _layer(editor, block.outer, f"{name}.outer"),
        seen[block.outer.taken],
        recipe.mode(number, "outer"),
        min(0.0, block.activation.lowest) - 1e-4,
        recipe.low_zero_points,
        recipe.share if recipe.even_outer else None,
    )
    return _sum_and_norm(editor, f"{name}.out", f"{name}.outer", middle, block.norm_2)


def _attention(
    writer: Writer,
    block: Block,
    seen: Mapping[str, Seen],
    recipe: Recipe,
    number: int,
    rows: str,
    split: str,
    flat: str,
) -> str:
    """From the block's input to the attention's output layer, residual not yet added."""
    editor, name = writer.editor, f"int8.{number}"
    query, key, value = (
        _layer(editor, dense, f"{name}.{part}")
        for part, dense in (("query", block.query), ("key", block.key), ("value", block.value))
    )
    output = _layer(editor, block.output, f"{name}.output")
    about = seen[block.output.taken]
    mode = recipe.mode(number, "output")
    if mode != "fp32":  # columns of the context are evened out where the values are made
        factor_K = smoothing(about.largest, output.weight, recipe.share)
        value = Layer(weight=value.weight / factor_K, bias=value.bias / factor_K, made=value.made)
        output = Layer(weight=output.weight * factor_K[:, None], bias=output.bias, made=output.made)
        about = about.divided(factor_K)
    writer.smoothed(
        f"{name}.qkv",
        rows,
        [query, key, value],
        seen[block.taken],
        recipe.mode(number, "qkv"),
        recipe.share,
    )
    parts = [
        editor.node("Reshape", [layer.made, split], f"{layer.made}.split")
        for layer in (query, key, value)
    ]
    editor.node(
        "FusedMatMul",
        parts[:2],
        block.scores,
        domain=MICROSOFT,
        alpha=block.scale,
        transB=1,
        transBatchA=1,
        transBatchB=1,
    )
    context = editor.node(
        "FusedMatMul",
        [block.probabilities, parts[2]],
        f"{name}.context",
        domain=MICROSOFT,
        transBatchB=1,
    )  # [B, heads, S, D]
    turned = editor.node("Transpose", [context], f"{name}.turned", perm=[2, 0, 1, 3])
    joined = editor.node("Reshape", [turned, flat], f"{name}.joined")
    writer.plain(f"{name}.output", joined, output, about, mode)
    return output.made


def _sum_and_norm(editor: Editor, name: str, made: str, residual: str, norm: Norm) -> str:
    total = editor.node("Add", [made, residual], f"{name}.sum")
    return editor.node(
        "LayerNormalization", [total, norm.weight, norm.bias], name, axis=-1, epsilon=norm.epsilon
    )


def _layer(editor: Editor, dense: Dense, made: str) -> Layer:
    return Layer(weight=editor.weights(dense.weight), bias=editor.weights(dense.bias), made=made)
