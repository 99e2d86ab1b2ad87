"""How a bundle's tokenizer takes a language: pieces a word, unknown pieces, texts that are cut.

A reason to offer for a low score, never part of one: these facts stand in measured.json.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from xlt.core.encode.encoder import Encoder
from xlt.core.encode.words import split_words
from xlt.core.kinds.table import encode
from xlt.core.tasks.examples import Choice, Example, Pair, Question, Tagged
from xlt.core.tasks.table import KindName
from xlt.data import DataSet

__all__ = ["token_facts"]

AT_ONCE = 4096  # items that are encoded together

Text = str | tuple[str, ...]


def token_facts(encoder: Encoder, kind: KindName, data: DataSet) -> dict[str, Any]:
    """Facts about the distinct texts of a set; of a bitext, about the foreign side.

    Args:
        encoder: of the bundle.
        kind: of the bundle's task.
        data: read whole.

    Returns:
        `words`, `tokens`, `characters` of the distinct texts; `tokens_per_word` (fertility; words
        as `split_words` finds them, so that scripts without blanks are not comparable),
        `characters_per_token`; `unknown` and `truncated`, in percent of the tokens and of the
        items; `seconds` that counting took.
    """
    started = time.monotonic()
    items = data.examples if data.bitext is None else data.bitext.foreign
    words = tokens = characters = unknown = truncated = 0
    seen: set[Text] = set()
    for start in range(0, len(items), AT_ONCE):
        some = items[start : start + AT_ONCE]
        fresh = dict.fromkeys(text for item in some for text in _texts(item) if text not in seen)
        seen.update(fresh)
        words += sum(len(split_words(t)) if isinstance(t, str) else len(t) for t in fresh)
        characters += sum(len("".join("".join(text).split())) for text in fresh)
        counted = [_tokens(encoder, text) for text in fresh]
        tokens += sum(n for n, _ in counted)
        unknown += sum(n for _, n in counted)
        rows = encode(encoder, kind, some)
        truncated += len({row.item for row in rows if row.truncated})
    return {
        "words": words,
        "tokens": tokens,
        "characters": characters,
        "tokens_per_word": tokens / words if words else None,
        "characters_per_token": characters / tokens if tokens else None,
        "unknown": 100 * unknown / tokens if tokens else None,
        "truncated": 100 * truncated / len(items) if items else None,
        "seconds": time.monotonic() - started,
    }


def _texts(item: Example) -> Iterator[Text]:
    """The texts of an item; a sentence that comes as words is one tuple of them."""
    if isinstance(item, Pair):
        yield from (item.text_a,) if item.text_b is None else (item.text_a, item.text_b)
    elif isinstance(item, Choice):
        yield from (item.prompt, *item.choices)
    elif isinstance(item, Tagged):
        yield item.words
    elif isinstance(item, Question):
        yield from (item.question, item.context)
    else:
        yield item.text


def _tokens(encoder: Encoder, text: Text) -> tuple[int, int]:
    """(tokens, unknown ones among them) of a text; words are tokenised alone, as tags need."""
    if isinstance(text, str):
        pieces = [text]
    else:
        pieces = [f"{encoder.word_mark}{word}" if n else word for n, word in enumerate(text)]
    found = encoder.tokenise(pieces)
    ids = [found[piece] for piece in pieces]
    unknown = 0 if encoder.unk_id is None else sum(int((i == encoder.unk_id).sum()) for i in ids)
    return sum(map(len, ids)), unknown
