"""From texts to rows of token ids, straight on the `tokenizers` library.

The trainer and the engine use the same encoder, so that training and serving cannot disagree.
Texts are tokenised alone and in bulk, each distinct text once; special tokens are put around them
as the tokenizer's own post-processor does. An encoder holds no changing state: threads share it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from xlt.core.encode.model import (
    layout_of,
    settings,
    special_id,
    special_ids,
    usable_length,
    uses_types,
    vocabulary_size,
    word_mark,
)
from xlt.core.encode.offsets import spans_of
from xlt.core.encode.rows import IntArray, Layout, Row, keep_longest_first
from xlt.core.errors import ModelError, UsageError

__all__ = ["Encoder", "Row"]

BULK = 2048  # texts per call into the tokenizer: bounds the memory of its result
SHORT = 1000  # characters; one such text is tokenised sooner than threads change places for it
SMALLEST_LENGTH = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Encoder:
    """A tokenizer with the limits and special tokens of its model.

    Attributes:
        usable_length: most tokens the model can take.
        max_length: most tokens of a row: min(usable_length, the length asked for).
        pad_id, mask_id, unk_id: ids of special tokens; None when the tokenizer has none.
        special_ids: ids of all special tokens (masked LM leaves them alone).
        vocab_size: number of tokens, added ones included.
        uses_types: whether rows carry token types (BERT).
        prompt: what stands before every single text, unless another prompt is asked for.
        word_mark: what stands before every word of a sentence but the first, so that the words
            of a list are tokenised as they are in a text; "" where a word alone is the same.
    """

    tokenizer: Any
    single: Layout
    pair: Layout
    usable_length: int
    max_length: int
    pad_id: int
    mask_id: int | None
    unk_id: int | None
    special_ids: frozenset[int]
    vocab_size: int
    uses_types: bool
    keep_left: bool = True
    word_mark: str = ""
    prompt: str = ""

    @classmethod
    def load(cls, folder: Path, *, max_length: int | None = None) -> Encoder:
        """Read the tokenizer of a Hugging Face folder or a bundle.

        Args:
            folder: holds tokenizer.json and config.json; tokenizer_config.json and
                special_tokens_map.json are read when they are there.
            max_length: tokens in one row, special tokens included; default, all that are usable.

        Raises:
            ModelError: a file is missing or damaged.
            UsageError: `max_length` leaves no room for text.
        """
        tokenizer = _load_tokenizer(folder / "tokenizer.json")
        config = settings(folder / "config.json", required=True)
        names = {
            **settings(folder / "special_tokens_map.json"),
            **settings(folder / "tokenizer_config.json"),
        }
        usable = usable_length(config, names)
        length = usable if max_length is None else min(usable, max_length)
        single, pair = layout_of(tokenizer, pair=False), layout_of(tokenizer, pair=True)
        if length < max(SMALLEST_LENGTH, pair.added + 2):
            raise UsageError(
                f"a maximum length of {length} tokens leaves no room for text",
                f"use at least {max(SMALLEST_LENGTH, pair.added + 2)}",
            )
        pad_id = special_id(tokenizer, names, "pad_token")
        return cls(
            tokenizer=tokenizer,
            single=single,
            pair=pair,
            usable_length=usable,
            max_length=length,
            pad_id=int(config.get("pad_token_id") or 0) if pad_id is None else pad_id,
            mask_id=special_id(tokenizer, names, "mask_token"),
            unk_id=special_id(tokenizer, names, "unk_token"),
            special_ids=special_ids(tokenizer, (single, pair)),
            vocab_size=vocabulary_size(tokenizer),
            uses_types=uses_types(config, names),
            keep_left=names.get("truncation_side", "right") != "left",
            word_mark=word_mark(tokenizer),
        )

    def join(self, index: int, a: IntArray, b: IntArray | None) -> Row:
        """A row of one text or two, cut to fit.

        Args:
            index: of the item.
            a: ids of the text, as `tokenise` gives them.
            b: ids of the second text.
        """
        layout = self.single if b is None else self.pair
        n_b = 0 if b is None else len(b)
        keep_a, keep_b = keep_longest_first(len(a), n_b, self.max_length - layout.added)
        cut = keep_a + keep_b < len(a) + n_b
        row = self.row(index, self._keep(a, keep_a), None if b is None else self._keep(b, keep_b))
        return replace(row, truncated=True) if cut else row

    def _keep(self, ids: IntArray, count: int) -> IntArray:
        return ids[:count] if self.keep_left else ids[len(ids) - count :]

    def row(self, index: int, a: IntArray, b: IntArray | None = None) -> Row:
        """A row of one text or two as they are, with the special tokens around them."""
        layout = self.single if b is None else self.pair
        types = layout.join_types(len(a), None if b is None else len(b))
        return Row(item=index, ids=layout.join(a, b), types=types if self.uses_types else None)

    def tokenise(self, texts: Iterable[str]) -> dict[str, IntArray]:
        """Ids of each distinct text, without special tokens."""
        unique = list(dict.fromkeys(texts))
        found: dict[str, IntArray] = {}
        for start in range(0, len(unique), BULK):
            bulk = unique[start : start + BULK]
            if len(bulk) == 1 and len(bulk[0]) <= SHORT:
                encodings = [self.tokenizer.encode(bulk[0], add_special_tokens=False)]
            else:
                encodings = self.tokenizer.encode_batch_fast(bulk, add_special_tokens=False)
            for text, encoding in zip(bulk, encodings, strict=True):
                found[text] = np.array(encoding.ids, np.int32)
        return found

    def tokenise_with_offsets(self, texts: Iterable[str]) -> dict[str, tuple[IntArray, IntArray]]:
        """Ids and spans of each distinct text, without special tokens."""
        unique = list(dict.fromkeys(texts))
        found: dict[str, tuple[IntArray, IntArray]] = {}
        for start in range(0, len(unique), BULK):
            bulk = unique[start : start + BULK]
            encodings = self.tokenizer.encode_batch(bulk, add_special_tokens=False)
            found.update(zip(bulk, spans_of(self.tokenizer, encodings, bulk), strict=True))
        return found


def _load_tokenizer(path: Path) -> Any:
    from tokenizers import Tokenizer

    if not path.is_file():
        raise ModelError(
            f"{path}: no such file",
            "a fast tokenizer is needed: AutoTokenizer.from_pretrained(...).save_pretrained(DIR)",
        )
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise ModelError(
            f"{path}: not a tokenizer ({error})", "fetch or export the model again"
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
