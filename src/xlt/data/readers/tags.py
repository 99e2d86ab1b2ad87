"""Sentences with one tag a word: UD-POS, PAN-X and CCG supertags in their published layouts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from xlt.core.errors import DataError
from xlt.core.tasks.examples import Tagged
from xlt.core.tasks.table import Task
from xlt.data.readers.conllu import read_conllu
from xlt.data.readers.rows import Row, bad_row, json_rows, lines, shown, suffix, whole_number
from xlt.data.records import Rows, all_or_none

__all__ = ["read_tag_lines", "read_tags"]

LOOK = 50
BLANKS = re.compile(" +")
DOCUMENT = "-DOCSTART-"
TAB_RULE = "a word, or a word, a tab and its tag; a blank line ends a sentence"
PREFIX = re.compile(r"([a-z]{2,3}(?:[-_][a-z]+)*):")


def read_tags(
    path: Path, task: Task, lang: str | None = None, rows: Iterator[Row] | None = None
) -> Rows:
    """Read one file of tagged sentences, plain or gzip.

    Known layouts: CoNLL-U; `word TAB tag` (or `word` alone) with blank lines between sentences,
    with or without PAN-X's `lang:` before each word; CoNLL-2003's four columns between blanks
    (the first is the word, the last the tag); CCG's `word|tag` sentences, one a line; JSON lines
    with `tokens` and `tags`.

    Args:
        path: the file.
        task: a task of kind tag; its labels are the allowed tags, none allows all.
        lang: decides CoNLL-U's rules for fused tokens; with `rows`, which rows to take.
        rows: the file's rows with columns mapped, for a user task.

    Raises:
        DataError: wrong columns, a tag outside the task's set, no sentence.
    """
    notes: list[str] = []
    if rows is not None or suffix(path) == ".jsonl":
        found_rows = json_rows(path) if rows is None else rows
        sentences = _token_rows(path, found_rows, task.labels, lang)
    else:
        found = lines(path)
        first = next((line for line in found if line.strip() and not line.startswith("# ")), "")
        if suffix(path) == ".conllu" or (
            first.count("\t") == 9 and whole_number(first[0]) is not None
        ):
            sentences, notes = read_conllu(path, task.labels, lang or "")
        elif _is_barred(found):
            sentences = _bars(path, found, task.labels)
        elif _is_conll2003(found):
            sentences = _columns(path, _first_and_last(found), task.labels)
        else:
            sentences = _columns(path, found, task.labels)
    if not sentences:
        raise DataError(f"{path}: no sentences", "check that this is the right file")
    all_or_none(tuple(sentences), lambda index: f"{path}: sentence {index + 1}", "tags")
    return Rows(examples=tuple(sentences), notes=tuple(notes))


def read_tag_lines(path: Path) -> list[list[str]]:
    """Tags of a label file, one a line: an empty line ends a sentence (XTREME's layout)."""
    sentences: list[list[str]] = []
    tags: list[str] = []
    for line in lines(path):
        if line.strip():
            tags.append(line.strip())
        else:
            sentences.append(tags)
            tags = []
    return [*sentences, tags] if tags else sentences


def _known(path: Path, number: int, tag: str, labels: Sequence[str]) -> str:
    if labels and tag not in labels:
        raise bad_row(
            path, number, f"tag {shown(tag)} is not in the set", "known: " + " ".join(labels)
        )
    return tag


def _sentence(number: int, words: list[str], tags: list[str]) -> Tagged:
    return Tagged(id=str(number), words=tuple(words), tags=tuple(tags) if tags else None)


def _columns(path: Path, found: Sequence[str], labels: Sequence[str]) -> list[Tagged]:
    """`word TAB tag`, or words alone when the file is label-free."""
    _refuse_blanks(path, found, labels)
    prefixed = _is_prefixed(found)
    width = 0
    sentences: list[Tagged] = []
    words: list[str] = []
    tags: list[str] = []
    for number, line in enumerate([*found, ""], start=1):
        if _filled(line):
            fields = line.split("\t")
            width = width or len(fields)
            if len(fields) != width or width > 2:
                raise bad_row(
                    path,
                    number,
                    f"{len(fields)} columns, expected {min(width, 2)}",
                    TAB_RULE,
                )
            word = fields[0]
            if prefixed:
                match = PREFIX.match(word)
                if match is None:
                    raise bad_row(
                        path,
                        number,
                        f"{shown(word)} has no language before it",
                        "lang:word TAB tag",
                    )
                word = word[match.end() :]
            words.append(word)
            if width == 2:
                tags.append(_known(path, number, fields[1].strip(), labels))
        elif words:
            sentences.append(_sentence(len(sentences), words, tags))
            words, tags = [], []
    return sentences


def _filled(line: str) -> bool:
    """Whether a line belongs to a sentence; other white space (U+3000) does not end one."""
    return bool(line.strip(" \t"))


def _split(line: str) -> list[str]:
    """The columns of a line that blanks separate; other white space may be part of a word."""
    return BLANKS.split(line.strip())


def _is_conll2003(found: Sequence[str]) -> bool:
    """Whether every line has four columns between blanks: word, part of speech, chunk, tag."""
    filled = [line for line in found if _filled(line)]
    return all("\t" not in line and len(_split(line)) == 4 for line in filled)


def _first_and_last(found: Sequence[str]) -> list[str]:
    """CoNLL-2003's lines as `word TAB tag`; the marks between its documents become empty."""
    columns = [_split(line) for line in found]
    return [
        f"{one[0]}\t{one[-1]}" if len(one) == 4 and one[0] != DOCUMENT else "" for one in columns
    ]


def _refuse_blanks(path: Path, found: Sequence[str], labels: Sequence[str]) -> None:
    """Blanks where tabs belong: the tags would be read as parts of the words."""
    if any("\t" in line for line in found):
        return
    filled = [(number, _split(line)) for number, line in enumerate(found, start=1) if _filled(line)]
    every = all(len(columns) > 1 for _, columns in filled)
    for number, columns in filled:
        if len(columns) > 1 and (columns[-1] in labels or (every and not labels)):
            raise bad_row(
                path, number, f"{shown(' '.join(columns))} has blanks and no tab", TAB_RULE
            )


def _is_prefixed(found: Sequence[str]) -> bool:
    """Whether most words carry one and the same `lang:` (the raw PAN-X files)."""
    filled = [line for line in found if _filled(line)]
    match = PREFIX.match(filled[0]) if filled else None
    return match is not None and 2 * sum(line.startswith(match[0]) for line in filled) > len(filled)


def _is_barred(found: Sequence[str]) -> bool:
    """Whether the first lines are sentences of `word|tag`."""
    first = [line.split() for line in found[:LOOK] if line.strip()]
    return any(len(words) > 1 for words in first) and all(
        "|" in word for words in first for word in words
    )


def _bars(path: Path, found: Sequence[str], labels: Sequence[str]) -> list[Tagged]:
    """One sentence a line, `word|tag` separated by spaces; the last bar counts."""
    sentences: list[Tagged] = []
    for number, line in enumerate(found, start=1):
        if not line.strip():
            continue
        pairs = [token.rpartition("|") for token in line.split()]
        for word, _, tag in pairs:
            if not word or not tag:
                raise bad_row(
                    path, number, f"{shown(word or tag)} is not a word|tag", "word|tag ..."
                )
            _known(path, number, tag, labels)
        words, tags = [word for word, _, _ in pairs], [tag for _, _, tag in pairs]
        sentences.append(_sentence(len(sentences), words, tags))
    return sentences


def _token_rows(
    path: Path, rows: Iterator[Row], labels: Sequence[str], lang: str | None
) -> list[Tagged]:
    """Rows with `tokens` (or `words`) and `tags` (names), as `xlt data fetch` writes."""
    sentences: list[Tagged] = []
    for row in rows:
        if lang is not None and row.fields.get("language", lang) != lang:
            continue
        words = row.fields.get("tokens", row.fields.get("words"))
        tags = row.fields.get("tags")
        if not isinstance(words, list) or not words:
            raise bad_row(path, row.line, f"tokens are {shown(words)}", "a list of words is needed")
        if tags is not None and (not isinstance(tags, list) or len(tags) != len(words)):
            raise bad_row(path, row.line, "tags and tokens differ in number", "one tag a word")
        named = [_known(path, row.line, str(tag), labels) for tag in tags or ()]
        sentences.append(_sentence(len(sentences), [str(word) for word in words], named))
    return sentences
