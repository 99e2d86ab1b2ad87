"""The fast tokenizer of a checkpoint, put into a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xlt.core.errors import ModelError
from xlt.core.files import read_json, write_json
from xlt.export.checkpoint.reading import TOKENIZER_FILES, Checkpoint

__all__ = ["lowers", "write_tokenizer"]

# What the bundle's readers need; copied byte for byte where the checkpoint has it.
BUNDLE_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
LOWER = {"type": "Lowercase"}
# What transformers 5 calls every fast tokenizer, and the name that 4 and 5 know.
NEWER, SHARED = "TokenizersBackend", "PreTrainedTokenizerFast"


def write_tokenizer(checkpoint: Checkpoint, folder: Path) -> None:
    """Put the fast tokenizer's files into a bundle; a slow tokenizer is converted.

    Raises:
        ModelError: no tokenizer, or one that has no fast form.
    """
    here = [name for name in BUNDLE_TOKENIZER if (checkpoint.model / name).is_file()]
    newer = _is_newer(checkpoint)
    if len(here) < len(BUNDLE_TOKENIZER) and not newer:
        _fast_tokenizer(checkpoint).save_pretrained(str(folder))
    for name in here:  # the very bytes that training used
        (folder / name).write_bytes((checkpoint.model / name).read_bytes())
    if newer:
        _for_every_version(folder)
    if lowers(checkpoint):
        _lower(folder / BUNDLE_TOKENIZER[0])


def _is_newer(checkpoint: Checkpoint) -> bool:
    """Whether transformers 5 has saved a tokenizer under the name that older ones do not know."""
    names = [checkpoint.model / name for name in BUNDLE_TOKENIZER[:2]]
    if not all(path.is_file() for path in names):
        return False
    return bool(read_json(names[1], ModelError).get("tokenizer_class") == NEWER)


def _for_every_version(folder: Path) -> None:
    """Name the tokenizer as older versions do, and list its special tokens beside it."""
    settings = read_json(folder / BUNDLE_TOKENIZER[1], ModelError)
    write_json(folder / BUNDLE_TOKENIZER[1], {**settings, "tokenizer_class": SHARED})
    special = {name: token for name, token in settings.items() if name.endswith("_token")}
    listed = {name: token for name, token in special.items() if isinstance(token, str | dict)}
    write_json(folder / BUNDLE_TOKENIZER[2], listed)


def lowers(checkpoint: Checkpoint) -> bool:
    """Whether texts are lowered before the tokenizer's own steps."""
    return checkpoint.sentence is not None and checkpoint.sentence.lower


def _lower(path: Path) -> None:
    """Put a Lowercase step before a tokenizer's normalizer, where it has none yet.

    sentence-transformers does the same when it loads a model with do_lower_case.
    """
    tokenizer = read_json(path, ModelError)
    rule = tokenizer.get("normalizer") or {}
    steps = rule.get("normalizers", []) if rule.get("type") == "Sequence" else [rule] * bool(rule)
    if all(step.get("type") != "Lowercase" for step in steps):
        tokenizer["normalizer"] = {"type": "Sequence", "normalizers": [LOWER, *steps]}
        write_json(path, tokenizer)


def _fast_tokenizer(checkpoint: Checkpoint) -> Any:
    from transformers import AutoTokenizer

    found = [name for name in TOKENIZER_FILES if (checkpoint.model / name).is_file()]
    reason = f"its tokenizer files: {', '.join(found) or 'none'}"
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            str(checkpoint.model), use_fast=True, local_files_only=True
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
