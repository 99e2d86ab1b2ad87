"""Weights of a checkpoint, as transformers loads them."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xlt.core.errors import ModelError
from xlt.core.inference.head import WEIGHTS, Dense, Head
from xlt.core.kinds.table import KINDS
from xlt.export.checkpoint.reading import PICKLES, Checkpoint
from xlt.export.checkpoint.sentence import DenseSettings

if TYPE_CHECKING:
    from torch import nn

__all__ = ["load_head", "load_model"]


def load_model(checkpoint: Checkpoint) -> nn.Module:
    """The model with the head of its kind, fp32, eval mode, plain attention.

    Raises:
        ModelError: the weights are damaged, or some of the head's are missing.
    """
    import transformers
    from safetensors import SafetensorError

    auto = getattr(transformers, KINDS[checkpoint.kind].auto_model or "AutoModel")
    quiet = logging.getLogger("transformers")
    level = quiet.level
    quiet.setLevel(logging.ERROR)  # missing and unused weights are judged below
    try:
        model, seen = auto.from_pretrained(
            str(checkpoint.model),
            attn_implementation="eager",
            output_loading_info=True,
            local_files_only=True,
            use_safetensors=None if checkpoint.pickles else True,
        )
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, SafetensorError) as error:
        raise ModelError(
            f"{checkpoint.source} cannot be loaded: {' '.join(str(error).split())[:300]}",
            "the checkpoint is damaged or not supported; save or fetch it again",
        ) from error
    finally:
        quiet.setLevel(level)
    # An encoder saved without its pooler is whole: the pooler is not part of the bundle.
    pooler = checkpoint.family.pooler
    missing = [key for key in seen["missing_keys"] if pooler not in key or _has_head(checkpoint)]
    if missing or seen["mismatched_keys"]:
        wrong = sorted({*missing, *map(str, seen["mismatched_keys"])})
        raise ModelError(
            f"{checkpoint.source} lacks {len(wrong)} weights of {type(model).__name__}: "
            f"{', '.join(wrong[:3])}",
            "such weights would be random; save the whole model",
        )
    module: nn.Module = model
    return module.float().eval()


def load_head(checkpoint: Checkpoint, steps: Sequence[DenseSettings | None]) -> Head:
    """What follows the pooling of a sentence model, with its weights.

    Raises:
        ModelError: the weights are missing, damaged or of other sizes.
    """
    made = [None if step is None else _dense(checkpoint, step) for step in steps]
    return Head(steps=tuple(made))


def _dense(checkpoint: Checkpoint, step: DenseSettings) -> Dense:
    folder = checkpoint.path / step.path
    tensors = _tensors(folder, pickles=checkpoint.pickles)
    weight = tensors.get("linear.weight")
    bias = tensors.get("linear.bias", np.zeros(step.outputs, np.float32))
    if (
        weight is None
        or weight.shape != (step.outputs, step.inputs)
        or bias.shape != (step.outputs,)
    ):
        raise ModelError(
            f"{folder}: not the weights of a layer from {step.inputs} to {step.outputs} numbers",
            "fetch or save the model again",
        )
    return Dense(weight_OI=weight, bias_O=bias, activation=step.activation)


def _tensors(folder: Path, *, pickles: bool) -> dict[str, Any]:
    """Float32 arrays of a module's weights."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    pickled = folder / PICKLES[0]
    try:
        if (folder / WEIGHTS).is_file():
            found = load_file(str(folder / WEIGHTS))
        elif pickles and pickled.is_file():
            found = torch.load(str(pickled), map_location="cpu", weights_only=True)
        else:
            raise ModelError(
                f"{folder} holds no {WEIGHTS}"
                + (f", only a pickle ({pickled.name})" if pickled.is_file() else ""),
                "save the model with safetensors"
                + ("; --allow-pickle loads it all the same" if pickled.is_file() else ""),
            )
    except (OSError, RuntimeError, SafetensorError, pickle.UnpicklingError) as error:
        raise ModelError(
            f"{folder}: its weights cannot be loaded: {' '.join(str(error).split())[:200]}",
            "fetch or save the model again",
        ) from error
    return {name: value.float().numpy() for name, value in found.items()}


def _has_head(checkpoint: Checkpoint) -> bool:
    return KINDS[checkpoint.kind].auto_model is not None
