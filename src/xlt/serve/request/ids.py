"""Inputs of embedders in the forms that clients send: a text, texts, token ids, lists of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from xlt.core.encode.encoder import Encoder, Row
from xlt.serve.compute.served import Served
from xlt.serve.errors import Problem
from xlt.serve.limits import MAX_ITEMS

__all__ = ["check_ids", "inputs_of", "rows_of_ids"]


def inputs_of(value: str | list[Any]) -> tuple[list[str], list[list[int]] | None]:
    """The four forms of `input`: a text, texts, token ids, lists of token ids.

    Returns:
        Texts and None, or no texts and the lists of ids.

    Raises:
        Problem: 400 for an empty list or text, for a mixture, and for too many items.
    """
    if isinstance(value, str):
        return [_not_empty(value, "input")], None
    if not value:
        raise _bad("the list is empty", "empty_input")
    kinds = {type(item) for item in value}
    if kinds == {int}:
        return [], [value]
    if len(value) > MAX_ITEMS:
        raise _bad(f"{len(value)} items; at most {MAX_ITEMS} are taken", "too_many_items")
    if kinds == {str}:
        return [_not_empty(text, f"input[{i}]") for i, text in enumerate(value)], None
    if kinds == {list}:
        for index, item in enumerate(value):
            if not item:
                raise _bad(f"input[{index}] is an empty list", "empty_input")
        return [], value
    raise _bad("a list holds texts, token ids or lists of token ids, not a mixture")


def check_ids(lists: Sequence[Sequence[int]], model: Served, param: str) -> None:
    """Refuse token ids that the model's tokenizer does not have.

    Raises:
        Problem: 400, naming the id and the size of the vocabulary.
    """
    size = model.engine.encoder.vocab_size
    for ids in lists:
        if ids and not 0 <= min(ids) <= max(ids) < size:
            token = max(ids) if min(ids) >= 0 else min(ids)
            raise Problem(
                400,
                "invalid_token",
                f"{param}: token id {token} is not in 0..{size - 1}, the vocabulary of "
                f"{model.name!r}; ids of other tokenizers do not work, send text",
                param,
            )


def rows_of_ids(encoder: Encoder, lists: Sequence[Sequence[int]]) -> Callable[[], list[Row]]:
    """Rows of token ids; special tokens are put around them unless they are there."""
    layout = encoder.single
    room = encoder.max_length - layout.added

    def rows() -> list[Row]:
        made = []
        for index, tokens in enumerate(lists):
            ids = np.asarray(tokens, np.int32)
            n_before, n_after = len(layout.before), len(layout.after)
            inner = len(ids) - n_after
            if inner >= n_before and np.array_equal(
                np.concatenate((ids[:n_before], ids[inner:])),
                np.concatenate((layout.before, layout.after)),
            ):
                ids = ids[n_before:inner]
            kept = ids[:room] if encoder.keep_left else ids[max(0, len(ids) - room) :]
            types = layout.join_types(len(kept)) if encoder.uses_types else None
            cut = len(kept) < len(ids)
            made.append(Row(item=index, ids=layout.join(kept), types=types, truncated=cut))
        return made

    return rows


def _not_empty(text: str, where: str) -> str:
    if not text:
        raise _bad(f"{where} is an empty text", "empty_input")
    return text


def _bad(message: str, code: str = "invalid_field") -> Problem:
    return Problem(400, code, message, "input")
