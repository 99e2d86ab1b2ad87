"""The kinds of tasks, by name; a new one is a module beside this file and a line in here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from xlt.core.encode.encoder import Encoder
from xlt.core.encode.rows import Row
from xlt.core.kinds.base import Item, Kind, Vector
from xlt.core.kinds.choice import CHOICE, Picked
from xlt.core.kinds.embed import EMBED
from xlt.core.kinds.mine import MINE
from xlt.core.kinds.mlm import MLM
from xlt.core.kinds.pair import PAIR, Label
from xlt.core.kinds.search import SEARCH
from xlt.core.kinds.span import SPAN, Span
from xlt.core.kinds.tag import TAG, Tags
from xlt.core.tasks.table import KindName, ProtocolName, Task

__all__ = ["KINDS", "PROTOCOLS", "Prediction", "by_kind", "encode", "kind_of"]

Prediction = Label | Picked | Tags | Span | Vector
T = TypeVar("T")


def by_kind(*, pair: T, choice: T, tag: T, span: T, embed: T, mlm: T) -> dict[KindName, T]:
    """A table with one row a kind; the type checker refuses one that lacks a kind."""
    return {"pair": pair, "choice": choice, "tag": tag, "span": span, "embed": embed, "mlm": mlm}


KINDS: dict[KindName, Kind] = by_kind(
    pair=PAIR, choice=CHOICE, tag=TAG, span=SPAN, embed=EMBED, mlm=MLM
)
PROTOCOLS: dict[ProtocolName, Kind] = {"search": SEARCH, "mine": MINE}


def kind_of(task: Task) -> Kind:
    """The record of a task's kind; for retrieval, that of its protocol."""
    return KINDS[task.kind] if task.protocol is None else PROTOCOLS[task.protocol]


def encode(encoder: Encoder, kind: KindName, items: Sequence[Item]) -> list[Row]:
    """Rows of the items, in item order; tag and span items may have several.

    Args:
        encoder: of the model.
        kind: key of `KINDS`.
        items: records (`core.tasks.examples`) that fit the kind; a string is a single text where
            the kind is pair, embed or mlm.

    Raises:
        DataError: an item is of the wrong type, or holds text that is not valid Unicode.
    """
    return KINDS[kind].encode(encoder, items)
