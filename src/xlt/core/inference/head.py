"""What follows the pooling of a sentence encoder: dense layers, and scaling between them.

The graph computes the same. On a CPU it is computed here from each row's own pooled vector, so
that a vector does not depend on its batch in its last bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.core.artifacts.tensors import read_tensors
from xlt.core.errors import ModelError

__all__ = ["ACTIVATIONS", "WEIGHTS", "Dense", "Head", "read_head"]

Array = NDArray[np.float64]
WEIGHTS = "model.safetensors"
ROOT_HALF = math.sqrt(0.5)


def _gelu(x: Array) -> Array:
    return np.array([0.5 * v * (1.0 + math.erf(v * ROOT_HALF)) for v in x.ravel()]).reshape(x.shape)


# Name in manifests -> function; those that sentence-transformers' Dense layers have.
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "identity": lambda x: x,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0.0),
    "gelu": _gelu,
    "sigmoid": lambda x: 1.0 / (1.0 + np.exp(-x)),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dense:
    """A linear layer and its activation.

    Attributes:
        weight_OI: one row an output.
        bias_O: added before the activation.
        activation: key of `ACTIVATIONS`.
    """

    weight_OI: NDArray[np.float32]  # noqa: N815
    bias_O: NDArray[np.float32]  # noqa: N815
    activation: str = "identity"

    def __call__(self, vec_I: Array) -> Array:
        """One vector (I,) -> (O,), in float64."""
        linear_O = self.weight_OI.astype(np.float64) @ vec_I + self.bias_O
        return np.asarray(ACTIVATIONS[self.activation](linear_O), np.float64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Head:
    """Steps in order; None stands for scaling to length 1."""

    steps: tuple[Dense | None, ...] = ()

    def __call__(self, vec_D: NDArray[Any]) -> NDArray[np.float32]:
        """The sentence's vector from its pooled one; not scaled at the end."""
        if not self.steps:
            return vec_D.astype(np.float32)
        value = vec_D.astype(np.float64)
        for step in self.steps:
            value = _unit(value) if step is None else step(value)
        return value.astype(np.float32)


def _unit(vec_D: Array) -> Array:
    length = math.sqrt(float(vec_D @ vec_D))
    return vec_D / length if length > 0 else vec_D


def read_head(folder: Path, steps: Sequence[Mapping[str, Any]]) -> Head:
    """The head that a manifest's `after_pooling` describes.

    Args:
        folder: of the bundle.
        steps: `{"type": "unit"}` or `{"type": "dense", "path", "activation"}`.

    Raises:
        ModelError: an unknown step, or weights that do not fit together.
    """
    found: list[Dense | None] = []
    width = None
    for step in steps:
        if step.get("type") == "unit":
            found.append(None)
            continue
        activation = step.get("activation")
        if step.get("type") != "dense" or activation not in ACTIVATIONS:
            raise ModelError(
                f"{folder}: after its pooling comes {dict(step)}, which this version does not know",
                "export the model again with this version",
            )
        tensors = read_tensors(folder / str(step["path"]) / WEIGHTS)
        weight, bias = tensors.get("linear.weight"), tensors.get("linear.bias")
        if weight is None or weight.ndim != 2 or width not in (None, weight.shape[1]):
            raise ModelError(
                f"{folder / str(step['path'])}: not the weights of a layer that fits the one "
                "before",
                "copy or export the model again",
            )
        width = weight.shape[0]
        if bias is None:
            bias = np.zeros(width, np.float32)
        if bias.shape != (width,):
            raise ModelError(
                f"{folder / str(step['path'])}: a bias of shape {bias.shape} for {width} outputs",
                "copy or export the model again",
            )
        found.append(Dense(weight_OI=weight, bias_O=bias, activation=str(activation)))
    return Head(steps=tuple(found))
