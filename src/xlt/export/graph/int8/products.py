"""One product in 8 bits: scales chosen from calibration, nodes written into the graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xlt.export.graph.int8.calibrate import Seen
from xlt.export.graph.int8.recipe import Mode
from xlt.export.graph.int8.rounding import compensated
from xlt.export.graph.int8.scales import (
    Float,
    quantize_columns,
    row_scale,
    smoothing,
    static_scale,
    zero_point,
)
from xlt.export.graph.surgery import MICROSOFT, Editor

__all__ = ["Layer", "Writer"]

ROW_FLOOR = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """x W + b to be written: weight (K, N), bias (N,), and the name that its result gets."""

    weight: Float
    bias: Float
    made: str


class Writer:
    """Writes products whose input is a matrix (rows, K).

    Args:
        editor: the graph.
        limit: weights lie within +-limit.
        nearest: see `Recipe`.

    Attributes:
        exact_products: outputs of the products that were written in fp32.
    """

    def __init__(self, editor: Editor, limit: int, *, nearest: bool = False) -> None:
        self.editor, self.limit, self.nearest = editor, limit, nearest
        self.exact_products: set[str] = set()
        self._shared: dict[str, str] = {}

    def number(self, kind: str, value: float) -> str:
        """A scalar constant, written once."""
        array = np.array(value, np.uint8 if kind == "byte" else np.float32)
        name = f"int8.{kind}.{array!s}"
        if name not in self._shared:
            self._shared[name] = self.editor.weight(name, array)
        return self._shared[name]

    def smoothed(
        self, name: str, taken: str, layers: Sequence[Layer], seen: Seen, mode: Mode, share: float
    ) -> None:
        """Layers that read one activation, whose columns are evened out first.

        Args:
            name: what new tensors are called after.
            taken: the activation.
            layers: all that reads it.
            seen: the activation in calibration.
            mode: of its scale.
            share: see `scales.smoothing`.
        """
        if mode == "fp32":
            for layer in layers:
                self.exact(taken, layer)
            return
        together_KN = np.concatenate([layer.weight for layer in layers], axis=1)
        factor_K = smoothing(seen.largest, together_KN, share)
        if mode == "static":
            norms_K = np.square(together_KN * factor_K[:, None]).sum(axis=1)
            factor_K = factor_K * np.float32(static_scale(seen.sample / factor_K, norms_K))
        even = self.editor.node(
            "Mul", [taken, self.editor.weight(f"{name}.even", 1 / factor_K)], f"{name}.evened"
        )
        layers = [
            Layer(weight=one.weight * factor_K[:, None], bias=one.bias, made=one.made)
            for one in layers
        ]
        if mode == "static":
            self._static(name, even, 1.0, layers, seen.divided(factor_K))
        else:
            self.by_row(name, even, layers, seen.divided(factor_K))

    def plain(self, name: str, taken: str, layer: Layer, seen: Seen, mode: Mode) -> None:
        """A layer whose input's columns were evened out by what makes them."""
        if mode == "fp32":
            self.exact(taken, layer)
        elif mode == "static":
            norms_K = np.square(layer.weight).sum(axis=1)
            scale = static_scale(seen.sample, norms_K)
            self._static(name, taken, scale, [layer], seen)
        else:
            self.by_row(name, taken, [layer], seen)

    def one_sided(
        self,
        name: str,
        taken: str,
        layer: Layer,
        seen: Seen,
        mode: Mode,
        lowest: float,
        low: bool,
        share: float | None,
    ) -> None:
        """A layer after an activation that is never below `lowest`.

        With `low`, the zero point may be another than 128. With a `share`, the largest columns are
        evened out; the others stay as they are, and with them what `lowest` means.
        """
        if mode == "fp32":
            self.exact(taken, layer)
            return
        if share is not None:
            factor_K = smoothing(seen.largest, layer.weight, share)
            factor_K = np.maximum(factor_K / np.median(factor_K), 1).astype(np.float32)
            taken = self.editor.node(
                "Mul", [taken, self.editor.weight(f"{name}.even", 1 / factor_K)], f"{name}.evened"
            )
            layer = Layer(weight=layer.weight * factor_K[:, None], bias=layer.bias, made=layer.made)
            seen = seen.divided(factor_K)
        norms_K = np.square(layer.weight).sum(axis=1)
        zero = zero_point(seen.sample, norms_K, lowest) if low else 128
        if mode == "static":
            scale = static_scale(seen.sample, norms_K, zero)
            self._static(name, taken, scale, [layer], seen, zero)
            return
        top = self.editor.node(
            "ReduceMax", [taken, self._axis()], f"{name}.top", keepdims=1
        )  # [rows, 1]
        floor = float(row_scale(np.zeros((1, 1), np.float32), lowest, zero)[0, 0])
        self._by_scale(name, taken, top, [layer], zero, floor, seen)

    def by_row(
        self, name: str, taken: str, layers: Sequence[Layer], seen: Seen | None = None
    ) -> None:
        """Layers that read one activation of either sign, with one scale a row.

        Args:
            name: what new tensors are called after.
            taken: the activation.
            layers: what reads it.
            seen: the activation in calibration, where it was looked at.
        """
        size = self.editor.node("Abs", [taken], f"{name}.size")
        top = self.editor.node("ReduceMax", [size, self._axis()], f"{name}.top", keepdims=1)
        self._by_scale(name, taken, top, layers, 128, ROW_FLOOR, seen)

    def exact(self, taken: str, layer: Layer) -> None:
        """A layer in fp32."""
        weight = self.editor.weight(f"{layer.made}.weight", layer.weight)
        bias = self.editor.weight(f"{layer.made}.bias", layer.bias)
        product = self.editor.node("MatMul", [taken, weight], f"{layer.made}.product")
        self.editor.node("Add", [product, bias], layer.made)
        self.exact_products.add(product)

    def _static(
        self,
        name: str,
        taken: str,
        scale: float,
        layers: Sequence[Layer],
        seen: Seen,
        zero: int = 128,
    ) -> None:
        byte = self.editor.node(
            "QuantizeLinear",
            [taken, self.number("scale", scale), self.number("byte", zero)],
            f"{name}.byte",
        )
        for layer in layers:
            bias = self.editor.weight(f"{layer.made}.bias", layer.bias)
            self._product(byte, scale, layer, zero, layer.made, bias, seen)

    def _by_scale(
        self,
        name: str,
        taken: str,
        top: str,
        layers: Sequence[Layer],
        zero: int,
        floor: float,
        seen: Seen | None,
    ) -> None:
        editor = self.editor
        scaled = editor.node("Mul", [top, self.number("scale", 1 / (255 - zero))], f"{name}.scaled")
        scale = editor.node("Max", [scaled, self.number("scale", floor)], f"{name}.scale")
        flat = editor.node("Reshape", [scale, self._flat()], f"{name}.flat")
        zeros = editor.node(
            "Expand",
            [self.number("byte", zero), editor.node("Shape", [flat], f"{name}.count")],
            f"{name}.zeros",
        )
        byte = editor.node("QuantizeLinear", [taken, flat, zeros], f"{name}.byte", axis=0)
        for layer in layers:
            product = self._product(byte, 1.0, layer, zero, f"{layer.made}.product", "", seen)
            sized = editor.node("Mul", [product, scale], f"{layer.made}.sized")
            bias = editor.weight(f"{layer.made}.bias", layer.bias)
            editor.node("Add", [sized, bias], layer.made)

    def _product(
        self,
        byte: str,
        scale: float,
        layer: Layer,
        zero: int,
        made: str,
        bias: str,
        seen: Seen | None,
    ) -> str:
        columns = quantize_columns(layer.weight, self.limit)
        whole_KN = columns.weight_KN
        if seen is not None and not self.nearest:
            whole_KN = compensated(layer.weight, columns.scale_N, seen.gram, self.limit)
        return self.editor.node(
            "MatMulIntegerToFloat",
            [
                byte,
                self.editor.weight(f"{layer.made}.int8", whole_KN),
                self.number("scale", scale),
                self.editor.weight(f"{layer.made}.scales", columns.scale_N),
                self.number("byte", zero),
                "",
                *([bias] if bias else []),
            ],
            made,
            domain=MICROSOFT,
        )

    def _axis(self) -> str:
        return self._shape("int8.last", [-1])

    def _flat(self) -> str:
        return self._shape("int8.flat", [-1])

    def _shape(self, name: str, value: list[int]) -> str:
        if name not in self._shared:
            self._shared[name] = self.editor.weight(name, np.array(value, np.int64))
        return name
