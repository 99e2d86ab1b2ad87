"""A transformer block as tensors of a graph: what `blocks` finds and `trunk` writes anew."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Activation", "Block", "Dense", "Norm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dense:
    """x W + b: names of its input, weight (K, N), bias (N,) and output."""

    taken: str
    weight: str
    bias: str
    made: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Norm:
    """A LayerNormalization over the last axis and the residual sum that it takes."""

    weight: str
    bias: str
    epsilon: float
    made: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """What stands between the two layers of the feed-forward part.

    Attributes:
        exact_gelu: whether it is x (1 + erf(x / sqrt 2)) / 2.
        lowest: its smallest value between -30 and 30.
    """

    exact_gelu: bool
    lowest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block.

    Attributes:
        taken: hidden states (B, S, H) that it reads.
        scores: (B, heads, S, S), scaled, as the graph calls them.
        probabilities: the Softmax's output.
        scale: factor of the product of queries and keys within `scores`.
        output, inner, outer: the layer after attention, and both of the feed-forward part.
    """

    taken: str
    heads: int
    width: int
    query: Dense
    key: Dense
    value: Dense
    scores: str
    scale: float
    probabilities: str
    output: Dense
    norm_1: Norm
    inner: Dense
    activation: Activation
    outer: Dense
    norm_2: Norm

    @property
    def made(self) -> str:
        """The block's output."""
        return self.norm_2.made
