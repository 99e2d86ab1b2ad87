"""Rows: what the encoder makes of items and what models take, and the arithmetic around them.

A row is one sequence of token ids (for choice tasks, one per choice) with what decoding needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["BoolArray", "IntArray", "Layout", "Row", "item_name", "keep_longest_first", "pad"]

IntArray = NDArray[np.int32]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    """One model input.

    Attributes:
        item: index of the item in the list that was encoded.
        ids: token ids (L,); choice tasks (n_choices, L), padded to the longest choice.
        types: token types in the shape of `ids`; None when the model has none.
        truncated: whether text was cut off to fit.
        words: tag tasks: position of the first sub-word of each word of this piece (W,).
        first_word: tag tasks: index in the sentence of the piece's first word.
        offsets: span tasks: code points in the context (L, 2); -1 outside the context.
        best_context: span tasks: whether this window has most context for the token (L,).
        lengths: choice tasks: tokens of each choice without padding (n_choices,).
    """

    item: int
    ids: IntArray
    types: IntArray | None = None
    truncated: bool = False
    words: IntArray | None = None
    first_word: int = 0
    offsets: IntArray | None = None
    best_context: BoolArray | None = None
    lengths: IntArray | None = None

    @property
    def width(self) -> int:
        """Tokens a padded batch must have room for."""
        return int(self.ids.shape[-1])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layout:
    """Where the special tokens stand around one text or two.

    Attributes:
        before, between, after: ids of the special tokens; `between` is empty for one text.
        before_types, between_types, after_types: their token types.
        a_type, b_type: token type of the first and the second text.
        typed: whether a token of a text alone, or around it, has another type than 0.
    """

    before: IntArray
    between: IntArray
    after: IntArray
    before_types: IntArray
    between_types: IntArray
    after_types: IntArray
    a_type: int = 0
    b_type: int = 0
    typed: bool = field(init=False)

    def __post_init__(self) -> None:
        """See whether a text alone has another type than 0."""
        types = (self.a_type, self.before_types.any(), self.after_types.any())
        object.__setattr__(self, "typed", any(types))

    @property
    def added(self) -> int:
        """Number of special tokens."""
        return len(self.before) + len(self.between) + len(self.after)

    def join(self, a: IntArray, b: IntArray | None = None) -> IntArray:
        """Ids of the whole input (L,)."""
        if b is None:
            return np.concatenate((self.before, a, self.after))
        return np.concatenate((self.before, a, self.between, b, self.after))

    def join_types(self, n_a: int, n_b: int | None = None) -> IntArray:
        """Token types of the whole input (L,), for texts of `n_a` and `n_b` tokens."""
        if n_b is None and not self.typed:
            return np.zeros(n_a + self.added, np.int32)
        a = np.full(n_a, self.a_type, np.int32)
        if n_b is None:
            return np.concatenate((self.before_types, a, self.after_types))
        b = np.full(n_b, self.b_type, np.int32)
        return np.concatenate((self.before_types, a, self.between_types, b, self.after_types))


def item_name(index: int, item: object) -> str:
    """What messages call an item: its number and, when it has one, its id."""
    name = getattr(item, "id", "")
    return f"item {index} (id {name!r})" if name else f"item {index}"


def keep_longest_first(n_a: int, n_b: int, room: int) -> tuple[int, int]:
    """Tokens to keep of two texts so that they fit into `room`, taking from the longer one.

    The rule of the `tokenizers` library (strategy longest first): a text of at most half the room
    stays whole; when both are longer each gets half, the longer one the odd token.
    """
    if n_a + n_b <= room:
        return n_a, n_b
    short, long = min(n_a, n_b), max(n_a, n_b)
    long = short if short > room else max(short, room - short)
    if short + long > room:
        short = room // 2
        long = room - short
    return (long, short) if n_a > n_b else (short, long)


def pad(rows: Sequence[Row], pad_id: int, width: int | None = None) -> dict[str, NDArray[np.int64]]:
    """Stack rows into one batch, padded on the right.

    Args:
        rows: at least one row; choice rows of one call have the same number of choices.
        pad_id: id that fills up.
        width: tokens per row; default, the longest row.

    Returns:
        `input_ids`, `attention_mask` and, when the rows have types, `token_type_ids`; shape
        (B, width), choice tasks (B, n_choices, width).

    Raises:
        ValueError: no rows, rows of different shapes, or a row longer than `width`.
    """
    if not rows:
        raise ValueError("no rows to pad")
    outer = rows[0].ids.shape[:-1]
    longest = max(row.width for row in rows)
    width = longest if width is None else width
    if longest > width:
        raise ValueError(f"a row of {longest} tokens does not fit into width {width}")
    if any(row.ids.shape[:-1] != outer for row in rows):
        raise ValueError("rows of one batch must have the same number of choices")
    ids = np.full((len(rows), *outer, width), pad_id, np.int64)
    columns = np.arange(width)
    if not outer:
        return _pad_texts(rows, ids, columns)
    mask = np.zeros_like(ids)
    types = None if rows[0].types is None else np.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, ..., : row.width] = row.ids
        if row.lengths is None:
            mask[index, ..., : row.width] = 1
        else:
            mask[index] = columns < row.lengths[:, None]
        if types is not None and row.types is not None:
            types[index, ..., : row.width] = row.types
    batch = {"input_ids": ids, "attention_mask": mask}
    if types is not None:
        batch["token_type_ids"] = types
    return batch


def _pad_texts(
    rows: Sequence[Row], ids_BL: NDArray[np.int64], columns_L: NDArray[np.int64]
) -> dict[str, NDArray[np.int64]]:
    """The batch of rows of one sequence each; thousands of short ones come to a GPU at once."""
    real_BL = columns_L < np.array([len(row.ids) for row in rows])[:, None]
    ids_BL[real_BL] = np.concatenate([row.ids for row in rows])
    batch = {"input_ids": ids_BL, "attention_mask": real_BL.astype(np.int64)}
    if rows[0].types is not None:
        types = [np.zeros_like(row.ids) if row.types is None else row.types for row in rows]
        batch["token_type_ids"] = np.zeros_like(ids_BL)
        batch["token_type_ids"][real_BL] = np.concatenate(types)
    return batch
