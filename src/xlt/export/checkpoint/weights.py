"""Weights and tokenizer of a checkpoint, as transformers loads them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from torch import nn

from xlt.core.errors import ModelError
from xlt.core.kinds.table import KINDS
from xlt.export.checkpoint.reading import TOKENIZER_FILES, Checkpoint

__all__ = ["load_model", "write_tokenizer"]

# What the bundle's readers need; copied byte for byte where the checkpoint has it.
BUNDLE_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


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
            str(checkpoint.path),
            attn_implementation="eager",
            output_loading_info=True,
            local_files_only=True,
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


def _has_head(checkpoint: Checkpoint) -> bool:
    return KINDS[checkpoint.kind].auto_model is not None


def write_tokenizer(checkpoint: Checkpoint, folder: Path) -> None:
    """Put the fast tokenizer's files into a bundle; a slow tokenizer is converted.

    Raises:
        ModelError: no tokenizer, or one that has no fast form.
    """
    here = [name for name in BUNDLE_TOKENIZER if (checkpoint.path / name).is_file()]
    if len(here) < len(BUNDLE_TOKENIZER):
        _fast_tokenizer(checkpoint).save_pretrained(str(folder))
    for name in here:  # the very bytes that training used
        (folder / name).write_bytes((checkpoint.path / name).read_bytes())


def _fast_tokenizer(checkpoint: Checkpoint) -> Any:
    from transformers import AutoTokenizer

    found = [name for name in TOKENIZER_FILES if (checkpoint.path / name).is_file()]
    reason = f"its tokenizer files: {', '.join(found) or 'none'}"
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            str(checkpoint.path), use_fast=True, local_files_only=True
        )
    except Exception as error:  # converters raise what they like, bare Exception included
        raise ModelError(
            f"{checkpoint.source} has no tokenizer.json and none can be made ({reason}): "
            f"{' '.join(str(error).split())[:200]}",
            "save the checkpoint with its fast tokenizer (tokenizer.json)",
        ) from error
    if not tokenizer.is_fast:
        raise ModelError(
            f"{checkpoint.source} has a slow tokenizer only ({reason})",
            "save the checkpoint with its fast tokenizer (tokenizer.json)",
        )
    return tokenizer
