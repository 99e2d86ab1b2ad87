"""What the files of a model folder say about its inputs: limits, special tokens, layouts.

`tokenizer` is a `tokenizers.Tokenizer` throughout.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from xlt.core.encode.families import family_of
from xlt.core.encode.rows import Layout
from xlt.core.errors import ModelError
from xlt.core.files import read_json

__all__ = [
    "layout_of",
    "settings",
    "special_id",
    "special_ids",
    "usable_length",
    "uses_types",
    "vocabulary_size",
    "word_mark",
]

DEFAULT_LENGTH = 512  # when neither the model nor the tokenizer names a limit
UNLIMITED = 1_000_000  # transformers writes 1e30 for "no limit"


def usable_length(config: dict[str, Any], names: dict[str, Any]) -> int:
    """Most tokens a model can take, special tokens included.

    Args:
        config: of config.json; which positions are usable, the model's family says.
        names: of tokenizer_config.json; its `model_max_length` bounds too, when it is a limit.
    """
    positions = family_of(config.get("model_type")).most_positions(config)
    limits = [] if positions is None else [positions]
    stated = names.get("model_max_length")
    if isinstance(stated, int | float) and 0 < stated < UNLIMITED:
        limits.append(int(stated))
    return min(limits, default=DEFAULT_LENGTH)


def settings(path: Path, *, required: bool = False) -> dict[str, Any]:
    """A JSON object of a model folder; empty when the file is optional and missing."""
    if not required and not path.is_file():
        return {}
    value = read_json(path, ModelError)
    if not isinstance(value, dict):
        raise ModelError(f"{path}: a JSON object is needed", "fetch or export the model again")
    return value


def special_id(tokenizer: Any, names: dict[str, Any], name: str) -> int | None:
    """Id of a named special token (`pad_token` ...), None when the tokenizer has none."""
    value = names.get(name)
    text = value.get("content") if isinstance(value, dict) else value
    found = None if text is None else tokenizer.token_to_id(text)
    return None if found is None else int(found)


def special_ids(tokenizer: Any, layouts: Iterable[Layout]) -> frozenset[int]:
    """Ids of all special tokens."""
    added = tokenizer.get_added_tokens_decoder()
    found = {int(index) for index, token in added.items() if token.special}
    for layout in layouts:
        for part in (layout.before, layout.between, layout.after):
            found.update(map(int, part))
    return frozenset(found)


def uses_types(config: dict[str, Any], names: dict[str, Any]) -> bool:
    """Whether the model tells first and second text apart by token types."""
    if not family_of(config.get("model_type")).token_types:
        return False
    stated = names.get("model_input_names")
    if isinstance(stated, list):
        return "token_type_ids" in stated
    size = config.get("type_vocab_size")
    return isinstance(size, int) and size > 1


def vocabulary_size(tokenizer: Any) -> int:
    """Number of tokens, added ones included.

    The tokenizer's own count of both copies the vocabulary: a tenth of a second for 250,000 tokens.
    """
    added = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    model = tokenizer.model
    beyond = sum(model.token_to_id(text) is None for text in added)
    return int(tokenizer.get_vocab_size(with_added_tokens=False)) + beyond


def word_mark(tokenizer: Any) -> str:
    """A blank where a word in a text has a mark that it lacks alone, else "".

    Byte-level tokenizers (`Ġcat`) and Gemma's take the mark from the blank before the word;
    SentencePiece's put one before every text, WordPiece knows none.
    """

    def ids(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False).ids)

    first, alone, marked = ids("a"), ids("b"), ids(" b")
    both = ids("a b")
    return " " if both == first + marked != first + alone else ""


def layout_of(tokenizer: Any, *, pair: bool) -> Layout:
    """Learn from the tokenizer's post-processor what it puts around one text or two."""
    text = _one_token_text(tokenizer)
    encoding = tokenizer.encode(text, text if pair else None)
    sequence = [-1 if part is None else part for part in encoding.sequence_ids]
    a, end = sequence.index(0), len(sequence)
    b = sequence.index(1) if pair else end
    ids = np.array(encoding.ids, np.int32)
    types = np.array(encoding.type_ids, np.int32)
    last = b if pair else a
    return Layout(
        before=ids[:a],
        between=ids[a + 1 : b] if pair else ids[:0],
        after=ids[last + 1 :],
        before_types=types[:a],
        between_types=types[a + 1 : b] if pair else types[:0],
        after_types=types[last + 1 :],
        a_type=int(types[a]),
        b_type=int(types[b]) if pair else 0,
    )


def _one_token_text(tokenizer: Any) -> str:
    """A text that is exactly one token."""
    added = (token.content for token in tokenizer.get_added_tokens_decoder().values())
    size = vocabulary_size(tokenizer)
    plain = (tokenizer.id_to_token(index) for index in range(size))
    for text in itertools.chain(added, plain):
        if text and len(tokenizer.encode(text, add_special_tokens=False).ids) == 1:
            return str(text)
    raise ModelError("the tokenizer has no token of its own", "train or fetch the tokenizer again")
