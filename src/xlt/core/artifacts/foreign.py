"""Configurations of foreign models, read before any library acts on them.

transformers runs code that a config.json names: classes of the repository (`auto_map`), and
attention kernels of another one (`attn_implementation`). Here nothing of the kind passes, nor
does a size that exists only to exhaust memory.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any

from xlt.core.errors import ModelError
from xlt.core.files import read_json

__all__ = ["vet_config", "vet_folder"]

MOST_BYTES = 64 << 20
CODE = ("auto_map", "custom_pipelines", "custom_generate")
ATTENTION = ("attn_implementation", "_attn_implementation", "_attn_implementation_internal")
ATTENTIONS = {None, "eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention"}
# Keys of sizes -> the most that any encoder has, with room; other keys may hold what they like.
SIZES = {
    "vocab_size": 5_000_000,
    "hidden_size": 65_536,
    "intermediate_size": 1_048_576,
    "num_hidden_layers": 1_024,
    "num_attention_heads": 4_096,
    "max_position_embeddings": 4_194_304,
    "type_vocab_size": 65_536,
    "num_labels": 1_000_000,
    "dim": 65_536,
    "hidden_dim": 1_048_576,
    "n_layers": 1_024,
    "n_heads": 4_096,
}


def vet_folder(folder: Path, known: Container[str] | None) -> None:
    """Look at the configurations in a model folder; files that are not there are passed over.

    Args:
        folder: holds config.json, tokenizer_config.json.
        known: names of architectures that the library itself has; None: any may be named.

    Raises:
        ModelError: see `vet_config`; or a file is no JSON object, or of more than 64 MiB.
    """
    for name in ("config.json", "tokenizer_config.json"):
        path = folder / name
        if not path.is_file():
            continue
        if path.stat().st_size > MOST_BYTES:
            raise ModelError(
                f"{path} has more than {MOST_BYTES >> 20} MiB", "is it a model folder?"
            )
        value = read_json(path, ModelError)
        if not isinstance(value, dict):
            raise ModelError(f"{path}: a JSON object is needed", "fetch or export the model again")
        vet_config(value, str(path), known if name == "config.json" else None)


def vet_config(config: Mapping[str, Any], where: str, known: Container[str] | None) -> None:
    """Refuse a configuration that would run code, or whose sizes are absurd.

    Args:
        config: of config.json or tokenizer_config.json.
        where: its path, for the message.
        known: architectures that the library has; None: any may be named.

    Raises:
        ModelError: names the key and its value.
    """
    kind = config.get("model_type")
    if known is not None and (not isinstance(kind, str) or kind not in known):
        raise ModelError(
            f"{where}: model_type {kind!r} is none that transformers has of its own",
            "models that bring their own code are not run; take one of a known architecture",
        )
    for key, value in _entries(config):
        if key in CODE and value:
            raise ModelError(
                f"{where} names code to run ({key}: {str(value)[:80]})",
                "code of a model is not run; remove the entry if the architecture is a known one",
            )
        if key in ATTENTION and (not isinstance(value, str | None) or value not in ATTENTIONS):
            raise ModelError(
                f"{where} names a foreign attention kernel ({key}: {str(value)[:80]})",
                "remove the entry: sdpa is used",
            )
        if key in SIZES and isinstance(value, int | float) and not 0 <= value <= SIZES[key]:
            raise ModelError(
                f"{where}: {key} {value} is not between 0 and {SIZES[key]}",
                "is it a model's configuration?",
            )


def _entries(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Keys and values at any depth; tables of labels hold names, not settings."""
    waiting: list[Any] = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            for key, inner in value.items():
                yield str(key), inner
                if key not in {"id2label", "label2id", "added_tokens_decoder"}:
                    waiting.append(inner)
        elif isinstance(value, list):
            waiting.extend(value)
