"""Products of linear layers by oneDNN, on processors where it beats the library PyTorch takes.

PyTorch's fp32 products on a CPU are MKL's, which on AMD processors do not use AVX-512: oneDNN,
which PyTorch has with it, is about twice as fast there (benchmarks/README.md has figures). Whether
it is used depends on the processor and on the size of a layer only, never on a measurement, so that
a run that is resumed goes on with the same bits.
"""

from __future__ import annotations

import functools
import platform
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

__all__ = ["OneDnnLinear", "onednn_is_faster", "with_fast_products"]

LEAST_WIDTH = (
    256  # of both sides of a layer; with few rows, narrower ones gain less than a call costs
)
CPUINFO = Path("/proc/cpuinfo")


def with_fast_products(model: nn.Module) -> int:
    """Let the linear layers of a model compute with oneDNN where that is faster.

    Parameters, their names and what is saved stay as they are. A layer changes only in how it
    computes fp32 products on a CPU: rounding differs in the last bits from PyTorch's own.

    Returns:
        How many layers were changed.
    """
    if not onednn_is_faster():
        return 0
    found = [
        module
        for module in model.modules()
        if type(module) is nn.Linear and min(module.weight.shape) >= LEAST_WIDTH
    ]
    for module in found:
        module.__class__ = OneDnnLinear
    return len(found)


class OneDnnLinear(nn.Linear):
    """A linear layer whose fp32 products on a CPU, also those of the gradients, are oneDNN's."""

    def forward(self, input: Tensor) -> Tensor:
        """`input` (..., in) -> (..., out)."""
        plain = (
            input.dtype != torch.float32
            or self.weight.dtype != torch.float32
            or input.device.type != "cpu"
            or torch.is_autocast_enabled("cpu")
            or not input.numel()
        )
        if plain:
            return functional.linear(input, self.weight, self.bias)
        found: Tensor = _Product.apply(input, self.weight, self.bias)  # type: ignore[no-untyped-call]
        return found


class _Product(torch.autograd.Function):
    """x W^T + b and its gradients, rows of x flattened to two dimensions."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        x_RI = x.reshape(-1, x.shape[-1])
        ctx.save_for_backward(x_RI, weight)
        ctx.shape, ctx.has_bias = x.shape, bias is not None
        return _product(x_RI, weight, bias).view(*x.shape[:-1], weight.shape[0])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x_RI, weight = ctx.saved_tensors
        gradient_RO = gradient.reshape(-1, gradient.shape[-1])
        of_x = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            of_x = _product(gradient_RO, weight.t(), None).view(ctx.shape)
        if ctx.needs_input_grad[1]:
            of_weight = _product(gradient_RO.t(), x_RI.t(), None)
        if ctx.has_bias and ctx.needs_input_grad[2]:
            of_bias = gradient_RO.sum(0)
        return of_x, of_weight, of_bias


def _product(x_RI: Tensor, weight_OI: Tensor, bias_O: Tensor | None) -> Tensor:
    """Rows times transposed weights, and the bias, by oneDNN."""
    found: Tensor = torch.ops.mkldnn._linear_pointwise(x_RI, weight_OI, bias_O, "none", [], "")
    return found


@functools.cache
def onednn_is_faster() -> bool:
    """Whether this is an AMD processor with AVX-512, and this PyTorch has the product."""
    if platform.system() != "Linux" or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    if torch.backends.cpu.get_cpu_capability() != "AVX512" or not _is_amd():
        return False
    x, weight = torch.eye(2), torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    try:
        return torch.equal(_product(x, weight, None), weight.t())
    except (AttributeError, RuntimeError, TypeError):
        return False


def _is_amd() -> bool:
    try:
        return "AuthenticAMD" in CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
