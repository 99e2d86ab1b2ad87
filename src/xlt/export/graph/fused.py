"""Post-norm transformer blocks as a few large nodes, for GPUs.

Attention becomes the standard operator `Attention` of opset 24, which runs on CPUs too and as
flash attention on a GPU; sum and norm, and bias and GELU, become one node each. What is left of a
block are four products. `benchmarks/README.md` has what other ways of writing it reach.
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto

from xlt.export.graph.blocks import find_blocks, trunks
from xlt.export.graph.records import Block, Dense, Norm
from xlt.export.graph.surgery import MICROSOFT, Editor

__all__ = ["OPSET", "fuse"]

OPSET = 24
MASK = "attention_mask"
SMALL = 64  # numbers of a constant that a mask may be made with; tables of positions are larger


def fuse(model: ModelProto) -> int:
    """Rewrite the blocks of a graph in place.

    Rows must be padded on the right: a row's mask is taken as the number of its tokens. Blocks
    that add more than this mask to their scores (relative positions) are left as they are.

    Args:
        model: a graph in fp32.

    Returns:
        How many blocks were rewritten.
    """
    if MASK not in {value.name for value in model.graph.input}:
        return 0
    editor = Editor(model)
    runs = [
        run
        for run in trunks(find_blocks(editor))
        if all(_masked_alone(editor, block) for block in run)
    ]
    if not runs:
        return 0
    last, flat = (editor.weight(f"fused.{n}", np.array([-1], np.int64)) for n in ("last", "flat"))
    counted = editor.node("ReduceSum", [MASK, last], "fused.counted", keepdims=0)
    tokens_B = editor.node("Reshape", [counted, flat], "fused.tokens")  # choices are rows too
    blocks = [block for run in runs for block in run]
    for number, block in enumerate(blocks):
        _block(editor, block, f"fused.{number}", tokens_B)
    editor.finish()
    for imported in model.opset_import:
        if imported.domain == "":
            imported.version = max(imported.version, OPSET)
    return len(blocks)


def _block(editor: Editor, block: Block, name: str, tokens_B: str) -> None:
    parts = (block.query, block.key, block.value)
    weight_HQ = np.concatenate([editor.weights(part.weight) for part in parts], axis=1)
    bias_Q = np.concatenate([editor.weights(part.bias) for part in parts])
    product = editor.node(
        "MatMul", [block.taken, editor.weight(f"{name}.qkv.weight", weight_HQ)], f"{name}.product"
    )
    biased = editor.node(
        "Add", [product, editor.weight(f"{name}.qkv.bias", bias_Q)], f"{name}.biased"
    )
    split = editor.nodes(
        "Split", [biased], [f"{name}.{part}" for part in "qkv"], axis=2, num_outputs=3
    )
    context = editor.node(
        "Attention",
        [*split, "", "", "", tokens_B],
        f"{name}.context",
        q_num_heads=block.heads,
        kv_num_heads=block.heads,
        scale=block.scale,
    )
    middle = _product_and_norm(editor, context, block.output, block.taken, block.norm_1)
    inner = editor.node("MatMul", [middle, block.inner.weight], f"{name}.inner")
    if block.activation.exact_gelu:
        active = editor.node(
            "BiasGelu", [inner, block.inner.bias], f"{name}.active", domain=MICROSOFT
        )
    else:  # the nodes between the layers stay
        editor.node("Add", [inner, block.inner.bias], block.inner.made)
        active = block.outer.taken
    _product_and_norm(editor, active, block.outer, middle, block.norm_2)


def _product_and_norm(editor: Editor, taken: str, dense: Dense, residual: str, norm: Norm) -> str:
    """A layer, its bias, the residual and the norm."""
    product = editor.node("MatMul", [taken, dense.weight], f"{norm.made}.product")
    return editor.node(
        "SkipLayerNormalization",
        [product, residual, norm.weight, norm.bias, dense.bias],
        norm.made,
        domain=MICROSOFT,
        epsilon=norm.epsilon,
    )


def _masked_alone(editor: Editor, block: Block) -> bool:
    """Whether what is added to a block's scores, or written over them, is the mask alone."""
    name, others = editor.maker[block.probabilities].input[0], list[str]()
    while name != block.scores:
        node = editor.maker[name]
        leads = [one for one in node.input if one == block.scores or _reads(editor, one, block)]
        if len(leads) != 1:
            return False
        others += [one for one in node.input if one != leads[0]]
        name = leads[0]
    open_names, seen = others, set[str]()
    while open_names:
        name = open_names.pop()
        if name in seen or not name:
            continue
        seen.add(name)
        size = editor.shape(name)
        if size is not None:
            if int(np.prod(size)) > SMALL:
                return False
        elif name in editor.maker and editor.maker[name].op_type != "Shape":
            open_names += editor.maker[name].input
    return MASK in seen


def _reads(editor: Editor, name: str, block: Block) -> bool:
    """Whether a tensor is the scores with a mask."""
    node = editor.maker.get(name)
    return node is not None and node.op_type in {"Add", "Where"} and block.scores in node.input
