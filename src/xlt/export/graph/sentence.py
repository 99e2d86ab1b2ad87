"""The sentence encoder as one graph: blocks 1..K, pooling over the mask, L2 norm.

Later blocks are removed, not skipped, so an embedding costs K blocks only. K counts
hidden_states[K] (0 is the embedding output), as XTREME's layer choice does.
"""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch import Tensor, nn

from xlt.core.encode.families import Family, family_of
from xlt.core.errors import ModelError
from xlt.core.inference.head import Dense, Head

__all__ = ["SentenceEncoder", "cut_blocks", "pool"]

# What the norm after the last block is called in families without a row of their own.
FINAL_NORMS = ("final_norm", "final_layer_norm", "norm", "ln_f")
TINY = 1e-12
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "identity": nn.Identity,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "sigmoid": nn.Sigmoid,
}


def pool(hidden_BLD: Tensor, mask_BL: Tensor, pooling: str) -> Tensor:
    """One vector a row from token vectors, padding left out.

    Args:
        hidden_BLD: token vectors.
        mask_BL: 1 for tokens, 0 for padding, which may stand on either side.
        pooling: `mean` of all tokens (special ones included, as XTREME does), `weightedmean` (the
            n-th token counts n times), `cls` (the first token) or `last` (the last token).

    Returns:
        Vectors (B, D), not normalised.
    """
    if pooling in ("mean", "weightedmean"):
        weight_BL = mask_BL if pooling == "mean" else mask_BL * mask_BL.cumsum(1)
        weight_BL1 = weight_BL.unsqueeze(-1).to(hidden_BLD.dtype)
        return (hidden_BLD * weight_BL1).sum(1) / weight_BL1.sum(1).clamp(min=1.0)
    place_L = torch.arange(hidden_BLD.shape[1], device=mask_BL.device)
    if pooling == "cls":
        place_L = place_L.flip(0)  # the first token is the one with the most after it
    found_B = (mask_BL * (place_L + 1)).argmax(1)
    found_B1D = found_B.view(-1, 1, 1).expand(-1, 1, hidden_BLD.shape[2])
    return hidden_BLD.gather(1, found_B1D).squeeze(1)


def blocks_of(encoder: nn.Module, depth: int) -> nn.ModuleList:
    """The list of transformer blocks in an encoder, by its family's row or by its length.

    Raises:
        ModelError: no list of `depth` blocks, or more than one.
    """
    path = _family(encoder).blocks
    if path is not None:
        with contextlib.suppress(AttributeError):  # another class of this family
            blocks = encoder.get_submodule(path)
            if isinstance(blocks, nn.ModuleList) and len(blocks) == depth:
                return blocks
    found = [
        module
        for module in encoder.modules()
        if isinstance(module, nn.ModuleList) and len(module) == depth
    ]
    if len(found) > 1:  # a block may hold lists of its own; the outermost one is the stack
        inner = {id(part) for module in found for block in module for part in block.modules()}
        found = [module for module in found if id(module) not in inner]
    if len(found) != 1:
        raise ModelError(
            f"{type(encoder).__name__}: found {len(found)} lists of {depth} blocks, expected one",
            "export it with --layer last",
        )
    return found[0]


def cut_blocks(encoder: nn.Module, layer: int, depth: int) -> None:
    """Remove the blocks after block `layer`, in place.

    A norm that follows the last block (pre-norm models) is part of `last_hidden_state` and of no
    earlier hidden state, so it goes with the last block.
    """
    if layer == depth:
        return
    blocks = blocks_of(encoder, depth)
    del blocks[layer:]
    config: Any = encoder.config
    config.num_hidden_layers = layer
    for path in _final_norms(encoder, blocks):
        owner, _, name = path.rpartition(".")
        setattr(encoder.get_submodule(owner), name, nn.Identity())


def _final_norms(encoder: nn.Module, blocks: nn.ModuleList) -> list[str]:
    """Paths of the norms that follow the last block: the family's, or those beside the blocks."""
    family = _family(encoder)
    modules = dict(encoder.named_modules())
    if family.blocks is not None:
        norm = family.final_norm
        return [norm] if norm is not None and norm in modules else []
    owners = [path for path, module in modules.items() if blocks in module.children()]
    paths = [f"{owner}.{name}" if owner else name for owner in owners for name in FINAL_NORMS]
    return [path for path in paths if path in modules]


def _family(encoder: nn.Module) -> Family:
    config: Any = encoder.config
    return family_of(config.model_type)


class SentenceEncoder(nn.Module):
    """Token ids in; `sentence_embedding` (B, D), L2 norm 1, and `last_hidden_state` out."""

    def __init__(self, encoder: nn.Module, *, pooling: str, head: Head | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        self.steps = nn.ModuleList(_module_of(step) for step in (head.steps if head else ()))
        self.config: Any = encoder.config  # the exporters look here
        self.pooling = pooling

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Both outputs by name, in the order of the graph."""
        extra = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        out = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **extra)
        hidden_BLD: Tensor = out.last_hidden_state
        vec_BD = pool(hidden_BLD, attention_mask, self.pooling)
        for step in self.steps:
            vec_BD = step(vec_BD)
        return {"sentence_embedding": _unit(vec_BD), "last_hidden_state": hidden_BLD}


class _Unit(nn.Module):
    """Scales each row to length 1."""

    def forward(self, vec_BD: Tensor) -> Tensor:
        """Rows (B, D) of length 1."""
        return _unit(vec_BD)


def _unit(vec_BD: Tensor) -> Tensor:
    norm_B1: Tensor = vec_BD.norm(dim=1, keepdim=True).clamp(min=TINY)
    return vec_BD / norm_B1


def _module_of(step: Dense | None) -> nn.Module:
    """A step after the pooling as PyTorch computes it."""
    if step is None:
        return _Unit()
    linear = nn.Linear(step.weight_OI.shape[1], step.weight_OI.shape[0])
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(step.weight_OI))
        linear.bias.copy_(torch.from_numpy(step.bias_O))
    return nn.Sequential(linear, ACTIVATIONS[step.activation]())
