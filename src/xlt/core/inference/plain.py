"""Plain Python values as items: what `Engine.predict` takes beside the records of `core.tasks`.

The forms are those of `xlt.Client` and of the HTTP bodies, so that one program can ask a bundle or
a server. A record passes through unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from xlt.core.encode.words import split_words
from xlt.core.errors import DataError
from xlt.core.tasks.examples import Choice, Example, Pair, Question, Sentence, Tagged

__all__ = ["FORMS", "Plain", "examples_of"]

Plain = Example | str | Sequence[Any] | Mapping[str, Any]

# kind -> how its items are written, for messages and documents.
FORMS = {
    "pair": '"text", ("text", "second text") or {"text": ..., "text_pair": ...}',
    "choice": '("prompt", ["a", "b"]) or {"prompt": ..., "choices": [...]}',
    "tag": '"text", ["words", "of", "it"] or {"words": [...]}',
    "span": '("question", "context") or {"question": ..., "context": ...}',
    "embed": '"text" or {"text": ...}',
}
# Names of the HTTP bodies -> fields of the records.
NAMES = {"pair": {"text": "text_a", "text_pair": "text_b"}}


def examples_of(kind: str, items: Sequence[Plain] | str) -> list[Example | str]:
    """Items of a kind as records; single texts stay strings where the encoder takes them.

    Args:
        kind: pair, choice, tag, span or embed.
        items: records, strings, tuples, lists or dictionaries; see `FORMS`. One string alone is
            one item.

    Raises:
        DataError: an item has none of the forms; it is named by its number.
    """
    listed = [items] if isinstance(items, str) else items
    return [_example(kind, index, item) for index, item in enumerate(listed)]


def _example(kind: str, index: int, item: Plain) -> Example | str:
    if isinstance(item, Example):
        return item
    if isinstance(item, str):
        if kind in {"pair", "embed"}:
            return item
        if kind == "tag":
            return Tagged(id="", words=tuple(word for word, _, _ in split_words(item)))
        raise _unreadable(kind, index, "a string")
    if isinstance(item, Mapping):
        return _of_mapping(kind, index, item)
    if isinstance(item, tuple | list):
        return _of_sequence(kind, index, item)
    raise _unreadable(kind, index, f"of type {type(item).__name__}")


def _of_sequence(kind: str, index: int, item: Sequence[Any]) -> Example:
    if kind == "tag":
        return Tagged(id="", words=tuple(item))
    if kind == "embed" or len(item) != 2:
        raise _unreadable(kind, index, f"a {type(item).__name__} of {len(item)}")
    first, second = item
    if kind == "pair":
        return Pair(id="", text_a=first, text_b=second)
    if kind == "choice":
        return Choice(id="", prompt=first, choices=_choices(index, second))
    return Question(id="", question=first, context=second)


def _of_mapping(kind: str, index: int, item: Mapping[str, Any]) -> Example:
    renamed = NAMES.get(kind, {})
    values = {renamed.get(name, name): value for name, value in item.items()}
    makers: dict[str, Callable[..., Example]] = {
        "pair": Pair, "choice": Choice, "tag": Tagged, "span": Question, "embed": Sentence,
    }  # fmt: skip
    if kind == "tag" and isinstance(values.get("text"), str) and "words" not in values:
        values["words"] = [word for word, _, _ in split_words(values.pop("text"))]
    for name in {"words", "choices"} & values.keys():
        values[name] = _choices(index, values[name])
    record = makers[kind]
    known = {field.name for field in fields(record)}  # type: ignore[arg-type]
    try:
        return record(**{"id": "", **values})
    except TypeError:
        odd = sorted(str(name) for name in item if renamed.get(name, name) not in known)
        what = f"a dictionary with {', '.join(odd or sorted(map(str, item))) or 'nothing in it'}"
        raise _unreadable(kind, index, what) from None


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


def _unreadable(kind: str, index: int, what: str) -> DataError:
    return DataError(
        f"item {index}: {what} is not an item of a {kind} model", f"give {FORMS[kind]}"
    )
