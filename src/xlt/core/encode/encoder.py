"""From items to rows of token ids, straight on the `tokenizers` library.

The trainer and the engine use the same encoder, so that training and serving cannot disagree.
Texts are tokenised alone and in bulk, each distinct text once; special tokens are put around them
as the tokenizer's own post-processor does. An encoder holds no changing state: threads share it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy as np

from xlt.core.encode.model import (
    layout_of,
    settings,
    special_id,
    special_ids,
    usable_length,
    uses_types,
)
from xlt.core.encode.offsets import spans_of
from xlt.core.encode.rows import IntArray, Layout, Row, item_name, keep_longest_first, pad
from xlt.core.encode.windows import (
    answer_positions,
    best_window,
    split_pieces,
    windows,
)
from xlt.core.errors import DataError, ModelError, UsageError
from xlt.core.tasks.examples import Choice, Example, Pair, Question, Sentence, Tagged

__all__ = ["Encoder", "Row", "answer_positions", "pad"]

BULK = 2048  # texts per call into the tokenizer: bounds the memory of its result
SHORT = 1000  # characters; one such text is tokenised sooner than threads change places for it
QUESTION_TOKENS = 64  # XTREME's max_query_length
STRIDE = 128  # XTREME's doc_stride
SMALLEST_LENGTH = 8

T = TypeVar("T")


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
            vocab_size=int(tokenizer.get_vocab_size()),
            uses_types=uses_types(config, names),
            keep_left=names.get("truncation_side", "right") != "left",
        )

    def encode(self, kind: str, items: Sequence[Example | str]) -> list[Row]:
        """Rows of the items, in item order; tag and span items may have several.

        Args:
            kind: pair (also single texts), choice, tag, span, embed or mlm.
            items: records (`core.tasks.examples`) that fit the kind; a string is a single text
                where the kind is pair, embed or mlm.

        Raises:
            DataError: an item is of the wrong type, or holds text that is not valid Unicode.
        """
        encoders: dict[str, Callable[[Sequence[Example | str]], list[Row]]] = {
            "pair": self._texts,
            "embed": self._texts,
            "mlm": self._texts,
            "choice": self._choices,
            "tag": self._words,
            "span": self._windows,
        }
        return encoders[kind](items)

    def _texts(self, items: Sequence[Example | str]) -> list[Row]:
        texts = [_texts_of(index, item) for index, item in enumerate(items)]
        tokens = self._tokenise(text for pair in texts for text in pair if text is not None)
        return [
            self._join(index, tokens[a], None if b is None else tokens[b])
            for index, (a, b) in enumerate(texts)
        ]

    def _choices(self, items: Sequence[Example | str]) -> list[Row]:
        choices = _only(items, Choice)
        for index, item in enumerate(choices):
            if not item.choices:
                _refuse(index, item, "no choices")
            _check_texts(index, item, (item.prompt, *item.choices))
        tokens = self._tokenise(text for item in choices for text in (item.prompt, *item.choices))
        return [
            _stack(
                [self._join(index, tokens[item.prompt], tokens[text]) for text in item.choices],
                self.pad_id,
            )
            for index, item in enumerate(choices)
        ]

    def _words(self, items: Sequence[Example | str]) -> list[Row]:
        """Pieces of sentences; each word is tokenised alone, as XTREME does.

        XTREME keeps one more token free where a pair has a double separator (XLM-R).
        """
        sentences = _only(items, Tagged)
        for index, item in enumerate(sentences):
            _check_texts(index, item, item.words)
        limit = self.max_length - max(self.single.added, self.pair.added - 1)
        unknown = np.array([self.pad_id if self.unk_id is None else self.unk_id], np.int32)
        tokens = {
            word: ids if 0 < len(ids) <= limit else unknown
            for word, ids in self._tokenise(w for item in sentences for w in item.words).items()
        }
        rows = []
        for index, item in enumerate(sentences):
            parts = [tokens[word] for word in item.words]
            for start, stop in split_pieces([len(part) for part in parts], limit):
                piece = parts[start:stop]
                counts = np.array([0, *map(len, piece)], np.int32)
                row = self._row(index, np.concatenate((unknown[:0], *piece)))
                places = len(self.single.before) + np.cumsum(counts, dtype=np.int32)[:-1]
                rows.append(replace(row, words=places.astype(np.int32), first_word=start))
        return rows

    def _windows(self, items: Sequence[Example | str]) -> list[Row]:
        """Question and context windows, with offsets into the context."""
        questions = _only(items, Question)
        for index, item in enumerate(questions):
            _check_texts(index, item, (item.question, item.context))
        asked = self._tokenise(item.question for item in questions)
        contexts = self._tokenise_with_offsets(item.context for item in questions)
        longest = min(QUESTION_TOKENS, (self.max_length - self.pair.added) // 2)
        rows = []
        for index, item in enumerate(questions):
            question = asked[item.question][:longest]
            ids, offsets = contexts[item.context]
            before = len(self.pair.before) + len(question) + len(self.pair.between)
            spans = windows(len(ids), self.max_length - self.pair.added - len(question), STRIDE)
            best = best_window(spans, len(ids))
            for number, (start, stop) in enumerate(spans):
                row = self._row(index, question, ids[start:stop])
                here = slice(before, before + stop - start)
                places = np.full((row.width, 2), -1, np.int32)
                places[here] = offsets[start:stop]
                flags = np.zeros(row.width, np.bool_)
                flags[here] = best[start:stop] == number
                cut = len(question) < len(asked[item.question])
                rows.append(replace(row, offsets=places, best_context=flags, truncated=cut))
        return rows

    def _join(self, index: int, a: IntArray, b: IntArray | None) -> Row:
        """One text or two, cut to fit."""
        layout = self.single if b is None else self.pair
        n_b = 0 if b is None else len(b)
        keep_a, keep_b = keep_longest_first(len(a), n_b, self.max_length - layout.added)
        cut = keep_a + keep_b < len(a) + n_b
        row = self._row(index, self._keep(a, keep_a), None if b is None else self._keep(b, keep_b))
        return replace(row, truncated=True) if cut else row

    def _keep(self, ids: IntArray, count: int) -> IntArray:
        return ids[:count] if self.keep_left else ids[len(ids) - count :]

    def _row(self, index: int, a: IntArray, b: IntArray | None = None) -> Row:
        layout = self.single if b is None else self.pair
        types = layout.join_types(len(a), None if b is None else len(b))
        return Row(item=index, ids=layout.join(a, b), types=types if self.uses_types else None)

    def _tokenise(self, texts: Iterable[str]) -> dict[str, IntArray]:
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

    def _tokenise_with_offsets(self, texts: Iterable[str]) -> dict[str, tuple[IntArray, IntArray]]:
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


def _only(items: Sequence[Example | str], wanted: type[T]) -> list[T]:
    found: list[T] = []
    for index, item in enumerate(items):
        if not isinstance(item, wanted):
            _refuse(index, item, f"a {wanted.__name__} is needed, not {type(item).__name__}")
        found.append(item)
    return found


def _texts_of(index: int, item: Example | str) -> tuple[str, str | None]:
    """The text or the two texts of an item."""
    if isinstance(item, str):
        a, b = item, None
    elif isinstance(item, Pair):
        a, b = item.text_a, item.text_b
    elif isinstance(item, Sentence):
        a, b = item.text, None
    else:
        _refuse(index, item, f"a text or a pair is needed, not {type(item).__name__}")
    _check_texts(index, item, (a,) if b is None else (a, b))
    return a, b


def _check_texts(index: int, item: object, texts: Iterable[object]) -> None:
    """Refuse what is no string, and strings that cannot be written as UTF-8."""
    for text in texts:
        if not isinstance(text, str):
            _refuse(index, item, f"a text is needed, not {type(text).__name__}")
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError as error:
                _refuse(index, item, f"not valid Unicode: lone surrogate at {error.start}")


def _refuse(index: int, item: object, why: str) -> NoReturn:
    raise DataError(f"{item_name(index, item)}: {why}", "mend or drop the item")


def _stack(rows: list[Row], pad_id: int) -> Row:
    """The rows of one item's choices as one row."""
    batch = pad(rows, pad_id)
    types = batch.get("token_type_ids")
    return Row(
        item=rows[0].item,
        ids=batch["input_ids"].astype(np.int32),
        types=None if types is None else types.astype(np.int32),
        truncated=any(row.truncated for row in rows),
        lengths=np.array([row.width for row in rows], np.int32),
    )
