"""Plain Python values as items: what `Engine.predict` takes beside the records of `core.tasks`.

The forms are those of `xlt.Client` and of the HTTP bodies, so that one program can ask a bundle or
a server. A record passes through unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from xlt.core.errors import DataError
from xlt.core.kinds.base import Item, Kind
from xlt.core.kinds.table import KINDS
from xlt.core.tasks.examples import Example
from xlt.core.tasks.table import KindName

__all__ = ["Plain", "examples_of"]

LISTS = frozenset({"words", "choices"})  # fields of several texts
Plain = Example | str | Sequence[Any] | Mapping[str, Any]


def examples_of(kind: KindName, items: Sequence[Plain] | str) -> list[Item]:
    """Items of a kind as records; single texts stay strings where the encoder takes them.

    Args:
        kind: key of `KINDS`, whose record says how its items are written.
        items: records, strings, tuples, lists or dictionaries; see `Kind.written`. One string
            alone is one item.

    Raises:
        DataError: an item has none of the forms; it is named by its number.
    """
    listed = [items] if isinstance(items, str) else items
    return [_example(KINDS[kind], index, item) for index, item in enumerate(listed)]


def _example(kind: Kind, index: int, item: Plain) -> Item:
    if isinstance(item, Example):
        return item
    if isinstance(item, str):
        if kind.of_text is None:
            raise _unreadable(kind, index, "a string")
        return kind.of_text(item)
    if isinstance(item, Mapping):
        return _of_mapping(kind, index, item)
    if isinstance(item, tuple | list):
        return _of_sequence(kind, index, item)
    raise _unreadable(kind, index, f"of type {type(item).__name__}")


def _of_sequence(kind: Kind, index: int, item: Sequence[Any]) -> Example:
    if kind.of_list is not None:
        return kind.of_list(item)
    if not kind.positions or len(item) != len(kind.positions):
        raise _unreadable(kind, index, f"a {type(item).__name__} of {len(item)}")
    values = dict(zip(kind.positions, item, strict=True))
    return kind.record(id="", **_lists(index, values))


def _of_mapping(kind: Kind, index: int, item: Mapping[str, Any]) -> Example:
    values = {kind.aliases.get(name, name): value for name, value in item.items()}
    known = {field.name for field in fields(kind.record)}
    text = values.get("text")
    in_place_of = "text" not in known and not values.keys() & set(kind.required)
    if isinstance(text, str) and kind.of_text is not None and in_place_of:
        made = kind.of_text(values.pop("text"))
        values = {name: getattr(made, name) for name in known} | values
    try:
        return kind.record(**{"id": "", **_lists(index, values)})
    except TypeError:
        odd = sorted(str(name) for name in item if kind.aliases.get(name, name) not in known)
        what = f"a dictionary with {', '.join(odd or sorted(map(str, item))) or 'nothing in it'}"
        raise _unreadable(kind, index, what) from None


def _lists(index: int, values: dict[str, Any]) -> dict[str, Any]:
    """The values, those that hold several texts as tuples."""
    return {
        name: _choices(index, value) if name in LISTS else value for name, value in values.items()
    }


def _choices(index: int, value: Any) -> tuple[str, ...]:
    """A list of texts as a tuple.

    Raises:
        DataError: it is not a list; a string is not taken apart into its letters.
    """
    if isinstance(value, tuple | list):
        return tuple(value)
    raise DataError(
        f"item {index}: a list of texts is needed, not {type(value).__name__}",
        "put the texts into a list",
    )


def _unreadable(kind: Kind, index: int, what: str) -> DataError:
    return DataError(
        f"item {index}: {what} is not an item of a {kind.name} model", f"give {kind.written}"
    )
