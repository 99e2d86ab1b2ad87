"""How a graph is quantised: every choice in one record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["LIMITS", "SITES", "Mode", "Recipe"]

Mode = Literal["static", "row", "fp32"]
Site = Literal["qkv", "output", "inner", "outer"]
SITES: tuple[Site, ...] = ("qkv", "output", "inner", "outer")
# Pairs of products of uint8 and int8 are added in 16 bits by CPUs without VNNI: within +-64 they
# cannot overflow (255 x 64 x 2 < 2^15).
LIMITS = {"int8": 64, "int8-vnni": 127}
HYBRID: Mapping[Site, Mode] = {
    "qkv": "static", "output": "row", "inner": "static", "outer": "row",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Choices of one quantised graph.

    Attributes:
        limit: weights lie within +-limit.
        modes: how the activation before each product of a block gets its scale: one for all
            (`static`), one a row (`row`), or none (`fp32`).
        share: of a column's size that stays in the activation (`scales.smoothing`).
        low_zero_points: whether the activation of the feed-forward part gets the zero point
            with the smallest error, instead of 128.
        even_outer: whether the columns of that activation are evened out, too.
        embeddings: whether the word embedding is int8 too, with one scale a row.
        nearest: whether weights are rounded to the nearest number, each by itself, instead of
            making up for each other's errors (`rounding`).
        special: (block, site) -> a mode other than that of its site.
    """

    limit: int = 64
    modes: Mapping[Site, Mode] = field(default_factory=lambda: dict(HYBRID))
    share: float = 0.6
    low_zero_points: bool = True
    even_outer: bool = True
    embeddings: bool = True
    nearest: bool = False
    special: Mapping[tuple[int, Site], Mode] = field(default_factory=dict)

    def mode(self, block: int, site: Site) -> Mode:
        """The mode of a product."""
        return self.special.get((block, site), self.modes[site])
