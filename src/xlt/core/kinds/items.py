"""What kinds share when they encode items and read logits: checks, and texts as rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NoReturn, TypeVar

from xlt.core.encode.encoder import Encoder
from xlt.core.encode.rows import Row, item_name
from xlt.core.errors import DataError, ModelError
from xlt.core.kinds.base import Item, Outputs
from xlt.core.tasks.examples import Pair, Sentence

__all__ = ["check_labels", "check_texts", "encode_texts", "logits_of", "only", "refuse"]

T = TypeVar("T")


def encode_texts(encoder: Encoder, items: Sequence[Item]) -> list[Row]:
    """One row an item: a text, or two texts with what separates them.

    The encoder's prompt stands before each text, as one string with it.

    Raises:
        DataError: an item is neither a text nor a pair of texts.
    """
    texts = [_texts_of(index, item) for index, item in enumerate(items)]
    if encoder.prompt:
        texts = [(encoder.prompt + a, b) for a, b in texts]
    tokens = encoder.tokenise(text for pair in texts for text in pair if text is not None)
    return [
        encoder.join(index, tokens[a], None if b is None else tokens[b])
        for index, (a, b) in enumerate(texts)
    ]


def only(items: Sequence[Item], wanted: type[T]) -> list[T]:
    """The items, all of which must be of one class.

    Raises:
        DataError: names the first that is not.
    """
    found: list[T] = []
    for index, item in enumerate(items):
        if not isinstance(item, wanted):
            refuse(index, item, f"a {wanted.__name__} is needed, not {type(item).__name__}")
        found.append(item)
    return found


def check_texts(index: int, item: object, texts: Iterable[object]) -> None:
    """Reject what is not a string, and strings that cannot be written as UTF-8.

    Raises:
        DataError: names the item.
    """
    for text in texts:
        if not isinstance(text, str):
            refuse(index, item, f"a text is needed, not {type(text).__name__}")
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError as error:
                refuse(index, item, f"not valid Unicode: lone surrogate at {error.start}")


def refuse(index: int, item: object, why: str) -> NoReturn:
    """Raise the error that names an item and what is wrong with it."""
    raise DataError(f"{item_name(index, item)}: {why}", "fix or remove the item")


def check_labels(name: str, labels: Sequence[str], n_classes: int) -> None:
    """Check that every class of the model has a label.

    Raises:
        ModelError: the two numbers differ.
    """
    if n_classes != len(labels):
        raise ModelError(
            f"{name}: the model has {n_classes} classes, its task {len(labels)} labels",
            "export the model again, with its own task",
        )


def logits_of(row: Row, arrays: Outputs) -> Outputs:
    """The row's logits as they are: no axis of them is padded."""
    return {"logits": arrays["logits"]}


def _texts_of(index: int, item: Item) -> tuple[str, str | None]:
    """The text or the two texts of an item."""
    if isinstance(item, str):
        a, b = item, None
    elif isinstance(item, Pair):
        a, b = item.text_a, item.text_b
    elif isinstance(item, Sentence):
        a, b = item.text, None
    else:
        refuse(index, item, f"a text or a pair is needed, not {type(item).__name__}")
    check_texts(index, item, (a,) if b is None else (a, b))
    return a, b
