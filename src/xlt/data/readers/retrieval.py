"""Two collections of sentences to match: BUCC 2018 and Tatoeba."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from xlt.core.errors import DataError
from xlt.core.tasks.examples import Bitext, Sentence
from xlt.data.readers.rows import Row, bad_row, lines, shown, text_of
from xlt.data.records import Rows

__all__ = ["read_aligned", "read_bucc", "read_gold", "read_tatoeba"]


def read_bucc(foreign: Path, english: Path, gold: Path | None = None) -> Rows:
    """BUCC's three files: `id TAB sentence` twice, and `foreign id TAB English id`.

    Raises:
        DataError: wrong columns, an id twice, a gold pair whose ids are in neither collection.
    """
    sides = _collection(foreign), _collection(english)
    pairs = None
    if gold is not None:
        pairs = read_gold(gold)
        known = [{sentence.id for sentence in side} for side in sides]
        for number, pair in enumerate(pairs, start=1):
            for name, ids, path in zip(pair, known, (foreign, english), strict=True):
                if name not in ids:
                    raise bad_row(
                        gold, number, f"id {shown(name)}", f"every id must be in {path.name}"
                    )
    return Rows(bitext=Bitext(foreign=sides[0], english=sides[1], gold=pairs))


def read_gold(path: Path) -> tuple[tuple[str, str], ...]:
    """Gold pairs, one a line: foreign id, tab, English id."""
    pairs: list[tuple[str, str]] = []
    for number, line in enumerate(lines(path), start=1):
        fields = line.strip().split("\t")
        if len(fields) != 2:
            raise bad_row(
                path, number, f"{len(fields)} columns, expected 2", "foreign id TAB English id"
            )
        pairs.append((fields[0], fields[1]))
    return tuple(pairs)


def read_tatoeba(foreign: Path, english: Path) -> Rows:
    """Two files of equal length; ids are 0-based line numbers.

    Line i of both translate each other, unless the English side is sorted by code point, as in
    XTREME's preprocessed copy: then the order is lost and there is no gold.

    Raises:
        DataError: the files differ in length.
    """
    left, right = lines(foreign), lines(english)
    if len(left) != len(right):
        raise DataError(
            f"{foreign} has {len(left)} lines and {english} has {len(right)}",
            "line i of both files must translate each other; fetch both again",
        )
    sorted_away = len(right) > 2 and all(a <= b for a, b in itertools.pairwise(right))
    gold = None if sorted_away else tuple((str(i), str(i)) for i in range(len(left)))
    notes = (f"{english.name} is sorted: the alignment is lost",) if sorted_away else ()
    return Rows(
        bitext=Bitext(foreign=_numbered(left), english=_numbered(right), gold=gold), notes=notes
    )


def read_aligned(path: Path, rows: Iterator[Row], lang: str) -> Rows:
    """Aligned rows with `foreign` and `english` columns, for a user task."""
    left: list[str] = []
    right: list[str] = []
    for row in rows:
        if row.fields.get("language", lang) == lang:
            left.append(text_of(path, row, "foreign"))
            right.append(text_of(path, row, "english"))
    if not left:
        raise DataError(
            f"{path}: no rows of language {lang!r}", "check that this is the right file"
        )
    gold = tuple((str(i), str(i)) for i in range(len(left)))
    return Rows(bitext=Bitext(foreign=_numbered(left), english=_numbered(right), gold=gold))


def _numbered(texts: Sequence[str]) -> tuple[Sentence, ...]:
    return tuple(Sentence(id=str(index), text=text.strip()) for index, text in enumerate(texts))


def _collection(path: Path) -> tuple[Sentence, ...]:
    sentences: list[Sentence] = []
    seen: set[str] = set()
    for number, line in enumerate(lines(path), start=1):
        name, tab, text = line.partition("\t")
        if not tab:
            raise bad_row(path, number, "1 column, expected 2", "id TAB sentence")
        if name in seen:
            raise bad_row(path, number, f"id {shown(name)} occurs twice", "ids are unique")
        seen.add(name)
        sentences.append(Sentence(id=name, text=text.strip()))
    return tuple(sentences)
