"""Questions about a context: SQuAD 1.1 and 2.0, XQuAD, MLQA, TyDiQA-GoldP.

Nested articles, flat rows under `data`, or flat JSON lines. Offsets count code points.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from xlt.core.errors import DataError
from xlt.core.tasks.examples import Answer, Question
from xlt.core.tasks.table import Task
from xlt.data.readers.rows import Row, json_rows, json_value, shown, suffix
from xlt.data.records import Rows, all_or_none

__all__ = ["TYDIQA_NAMES", "read_answers", "read_spans", "span_languages", "start_of"]

TYDIQA_NAMES = {
    "arabic": "ar",
    "bengali": "bn",
    "english": "en",
    "finnish": "fi",
    "indonesian": "id",
    "korean": "ko",
    "russian": "ru",
    "swahili": "sw",
    "telugu": "te",
}
LAYOUT = "expected SQuAD's layout: data, paragraphs, context, qas"
NOWHERE = -1


def read_spans(
    path: Path, task: Task, lang: str | None = None, rows: Iterator[Row] | None = None
) -> Rows:
    """Read one file of questions.

    An answer whose offset does not point at its text is moved to where the text stands (see
    `start_of`) and counted in the notes; `start` is -1 when it stands nowhere. An answer with an
    empty text is kept, last and nowhere, as the official scorers do; a file that has no other
    answers (a stripped test set) has none. An id that is a number is its text; ids may repeat.

    Args:
        path: the file.
        task: a task of kind span.
        lang: of tydiqa, take only questions whose id names this language, or none.
        rows: the file's rows with columns mapped, for a user task.

    Raises:
        DataError: another layout, missing fields, some questions answered and others not.
    """
    questions: list[Question] = []
    moved = 0
    by_id = task.name == "tydiqa" and lang is not None and rows is None
    flat = _flat(path) if rows is None else _mapped(path, rows, lang)
    for place, name, question, context, paragraph, answers in flat:
        if by_id and tydiqa_language(name) not in {None, lang}:
            continue
        found, shifted = _answers(path, place, answers, context, task)
        moved += shifted
        questions.append(
            Question(
                id=name,
                question=question,
                context=context,
                answers=found,
                paragraph=paragraph,
            )
        )
    if not questions:
        of = f" of language {lang!r}" if lang else ""
        raise DataError(f"{path}: no questions{of}", "check that this is the right file")
    questions = _without_stripped(questions)
    all_or_none(tuple(questions), lambda index: f"{path}: question {questions[index].id}", "answer")
    notes = [f"{path.name}: {moved} answers were not at their offset"] if moved else []
    doubled = len(questions) - len({one.id for one in questions})
    if doubled:
        notes.append(
            f"{path.name}: {doubled} questions have the id of an earlier one; an id has one answer"
        )
    return Rows(examples=tuple(questions), notes=tuple(notes))


def read_answers(path: Path) -> dict[str, list[list[tuple[str, int]]]]:
    """(text, offset) of the answers by question id, for a label file beside a test set.

    One list for each question of the id, in the order of the file; an absent offset is -1.
    """
    found: dict[str, list[list[tuple[str, int]]]] = {}
    for _, name, _, _, _, answers in _flat(path):
        texts = [
            (str(answer.get("text", "")), _offset(answer.get("answer_start")))
            for answer in answers or ()
        ]
        found.setdefault(name, []).append(texts)
    return found


def _without_stripped(questions: list[Question]) -> list[Question]:
    """The questions; without any answers when all texts are empty, as in stripped test sets."""
    answers = [answer for question in questions for answer in question.answers or ()]
    if not answers or any(answer.text for answer in answers):
        return questions
    return [dataclasses.replace(question, answers=None) for question in questions]


def _offset(value: object) -> int:
    return value if isinstance(value, int) else NOWHERE


def tydiqa_language(name: str) -> str | None:
    """The language that a TyDiQA id begins with; None for other ids."""
    return TYDIQA_NAMES.get(name.partition("-")[0])


Flat = tuple[str, str, str, str, str, list[Mapping[str, Any]] | None]


def _flat(path: Path) -> Iterator[Flat]:
    """(place, id, question, context, paragraph, answers) of every question."""
    if suffix(path) == ".jsonl":
        for row in json_rows(path):
            yield _row(path, f"line {row.line}", row.fields)
        return
    value = json_value(path)
    data = value.get("data") if isinstance(value, dict) else value
    if not isinstance(data, list):
        raise DataError(f"{path}: no list `data` in it", LAYOUT)
    for number, article in enumerate(data):
        if not isinstance(article, dict):
            raise DataError(f"{path}: data[{number}] is {shown(article)}", LAYOUT)
        if "paragraphs" in article:
            yield from _article(path, number, article)
        else:
            yield _row(path, f"data[{number}]", article)


def _mapped(path: Path, rows: Iterator[Row], lang: str | None) -> Iterator[Flat]:
    for row in rows:
        if lang is None or row.fields.get("language", lang) == lang:
            yield _row(path, f"line {row.line}", row.fields)


def _article(path: Path, number: int, article: Mapping[str, Any]) -> Iterator[Flat]:
    for place, paragraph in enumerate(_dicts(path, f"data[{number}]", article, "paragraphs")):
        where = f"data[{number}].paragraphs[{place}]"
        context = _text(path, where, paragraph, "context")
        for index, entry in enumerate(_dicts(path, where, paragraph, "qas")):
            at = f"{where}.qas[{index}]"
            answers = _dicts(path, at, entry, "answers") if "answers" in entry else None
            yield (
                at,
                _name(path, at, entry),
                _text(path, at, entry, "question"),
                context,
                f"{number}.{place}",
                answers,
            )


def _row(path: Path, place: str, row: Mapping[str, Any]) -> Flat:
    answers = row.get("answers")
    listed: list[Mapping[str, Any]] | None
    if isinstance(answers, Mapping):  # the hub's columns: texts and offsets side by side
        texts, starts = answers.get("text", answers.get("texts")), answers.get("answer_start")
        if not isinstance(texts, list) or not isinstance(starts, list) or len(texts) != len(starts):
            raise DataError(f"{path}: {place}: answers are {shown(answers)}", LAYOUT)
        listed = [
            {"text": text, "answer_start": start} for text, start in zip(texts, starts, strict=True)
        ]
    else:
        listed = _dicts(path, place, row, "answers") if answers is not None else None
    context = _text(path, place, row, "context")
    name, question = _name(path, place, row), _text(path, place, row, "question")
    return place, name, question, context, "", listed


def _dicts(path: Path, place: str, value: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = value.get(key)
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise DataError(f"{path}: {place}.{key} is {shown(found)}", LAYOUT)
    return found


def _text(path: Path, place: str, value: Mapping[str, Any], key: str) -> str:
    found = value.get(key)
    if not isinstance(found, str):
        raise DataError(f"{path}: {place}.{key} is {shown(found)}, not a text", LAYOUT)
    return found


def _name(path: Path, place: str, value: Mapping[str, Any]) -> str:
    """The id of a question; predictions have it as a text, also where it is a number here."""
    found = value.get("id")
    return str(found) if type(found) is int else _text(path, place, value, "id")


def _answers(
    path: Path, place: str, raw: list[Mapping[str, Any]] | None, context: str, task: Task
) -> tuple[tuple[Answer, ...] | None, int]:
    """Answers with offsets that hold, and how many had to be moved."""
    if raw is None or (not raw and not task.null_answer):
        return None, 0
    found: list[Answer] = []
    empty: list[Answer] = []
    moved = 0
    for answer in raw:
        text, start = answer.get("text"), answer.get("answer_start")
        if not isinstance(text, str) or type(start) is not int:
            raise DataError(f"{path}: {place}: answer {shown(answer)}", "text and answer_start")
        if not text:
            empty.append(Answer(text="", start=NOWHERE))
            continue
        place_of_text = start_of(context, text, start)
        moved += place_of_text != start or start < 0
        found.append(Answer(text=text, start=place_of_text))
    return (*found, *empty), moved


def start_of(context: str, text: str, start: int) -> int:
    """Where an answer starts, in code points; -1 when its text stands nowhere.

    Args:
        context: the text that it is an answer from.
        text: the answer.
        start: the file's offset: code points where it points at `text`; else UTF-16 units or
            UTF-8 bytes where one of these does; else the place nearest to it is taken.
    """
    if not text:
        return 0
    if start >= 0 and context.startswith(text, start):
        return start
    places: list[int] = []
    place = context.find(text)
    while place >= 0:
        places.append(place)
        place = context.find(text, place + 1)
    for encoding, unit in (("utf-16-le", 2), ("utf-8", 1)):
        for place in places:
            if len(context[:place].encode(encoding)) == start * unit:
                return place
    return min(places, key=lambda at: abs(at - start)) if places else NOWHERE


def span_languages(path: Path) -> frozenset[str]:
    """The languages that the question ids of a TyDiQA file name."""
    return frozenset(
        code for _, name, *_ in _flat(path) if (code := tydiqa_language(name)) is not None
    )
