"""Predictions and labels in XTREME's official files: `<task>/test-<lang>.<tsv|json>`.

A task's kind names the form of its predictions; `FORMATS` says how each form is written and read.
Source: XTREME's evaluate.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xlt.core.errors import DataError
from xlt.core.files import read_json, read_text, write_atomic
from xlt.core.kinds.table import kind_of
from xlt.core.tasks.table import Task

__all__ = [
    "FORMATS",
    "Format",
    "format_of",
    "line_of",
    "official_path",
    "read_labels",
    "read_predictions",
    "write_predictions",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """How predictions and gold of one form stand in a file.

    Attributes:
        extension: of the files.
        text: (predictions, path for messages) -> the file's text, so that `read` gives the same.
        read: predictions of a file, in the shape that metrics take.
        read_gold: gold of a file, in the same shape.
        starts: lines of a file -> the 1-based line of each item, for messages.
        one_an_item: whether there is one prediction an item.
    """

    extension: str = "tsv"
    text: Callable[[Any, Path], str]
    read: Callable[[Path], Any]
    read_gold: Callable[[Path], Any]
    starts: Callable[[Sequence[str]], Sequence[int]]
    one_an_item: bool = True


def format_of(task: Task) -> Format:
    """The format of a task's files."""
    return FORMATS[kind_of(task).form]


def official_path(folder: Path, task: Task, lang: str, split: str = "test") -> Path:
    """Where a task's file of one language lies below a predictions or labels folder."""
    return folder / task.name / f"{split}-{lang}.{task.extension}"


def read_labels(task: Task, path: Path) -> Any:
    """Gold of one file, in the shape that `xlt.core.metrics.table.measure` takes.

    Raises:
        DataError: the file is missing, damaged, or not of the task's layout.
    """
    return format_of(task).read_gold(path)


def read_predictions(task: Task, path: Path) -> Any:
    """Predictions of one file, in the shape that `xlt.core.metrics.table.measure` takes.

    Raises:
        DataError: the file is missing, damaged, or not of the task's layout.
    """
    return format_of(task).read(path)


def write_predictions(task: Task, path: Path, predicted: Any) -> None:
    """Write predictions so that reading them gives the same; the file is whole or not there.

    Args:
        task: gives the layout.
        path: see `official_path`.
        predicted: strings (or integers), lists of tags, id pairs, or question id -> answer.

    Raises:
        DataError: a value that the layout cannot hold, such as a label with a line end.
    """
    write_atomic(path, format_of(task).text(predicted, path))


def _line_text(predicted: Any, path: Path) -> str:
    return "".join(f"{line}\n" for line in _clean(predicted, path, empty=True))


def _tag_text(predicted: Any, path: Path) -> str:
    lines = [line for tags in predicted for line in (*_clean(tags, path, empty=False), "")]
    return "".join(f"{line}\n" for line in lines)


def _pair_text(predicted: Any, path: Path) -> str:
    return "".join("\t".join(_clean(pair, path, empty=False)) + "\n" for pair in predicted)


def _answer_text(predicted: Any, path: Path) -> str:
    answers = dict(predicted)
    # The reader unwraps a top-level "data", so a question of that name needs the wrapper.
    value = {"data": answers} if "data" in answers else answers
    return json.dumps(value, indent=1) + "\n"


def _clean(values: Iterable[Any], path: Path, *, empty: bool) -> Iterator[str]:
    """The values as strings, refusing what reading would change."""
    for value in values:
        text = str(value)
        if text != text.strip() or len(_lines(text)) > 1 or "\t" in text or not (text or empty):
            raise DataError(
                f"{path}: {text!r} cannot be written as one line of this layout",
                "labels, tags and ids are non-empty, without line ends and outer white space",
            )
        yield text


def _lines(text: str) -> list[str]:
    r"""Lines ended by \n, \r\n or \r, and by nothing else, as Python's text files split them."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _stripped(path: Path) -> list[str]:
    return [line.strip() for line in _lines(read_text(path))]


def _read_tags(path: Path) -> list[list[str]]:
    return [tags for _, tags in _sentences(_stripped(path))]


def _read_pairs(path: Path) -> list[tuple[str, ...]]:
    return [tuple(line.split("\t")) for line in _stripped(path)]


def _sentences(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """(1-based first line, tags) of each sentence; an empty line closes one, also an empty one."""
    first, tags = 1, list[str]()
    for number, line in enumerate(lines, start=1):
        if line:
            tags.append(line)
        else:
            yield first, tags
            first, tags = number + 1, []
    if tags:
        yield first, tags


def line_of(task: Task, path: Path, item: int) -> int:
    """The 1-based line where item `item` begins; past the last item, the line after the end."""
    lines = _stripped(path)
    starts = format_of(task).starts(lines)
    return starts[item] if item < len(starts) else len(lines) + 1


def _every_line(lines: Sequence[str]) -> Sequence[int]:
    return range(1, len(lines) + 1)


def _sentence_starts(lines: Sequence[str]) -> Sequence[int]:
    return [number for number, _ in _sentences(lines)]


def _unwrapped(path: Path) -> Any:
    value = read_json(path)
    return value["data"] if isinstance(value, dict) and "data" in value else value


def _predicted_answers(path: Path) -> dict[str, str]:
    answers = _unwrapped(path)
    if not isinstance(answers, dict):
        raise DataError(
            f"{path}: a JSON {type(answers).__name__}, not an object of answers",
            'write {"question id": "answer", ...}',
        )
    for key, answer in answers.items():
        if not isinstance(answer, str):
            raise DataError(
                f"{path}: the answer to question {key!r} is {json.dumps(answer)[:60]}, not a text",
                'write {"question id": "answer", ...}',
            )
    return answers


def _gold_answers(path: Path) -> list[tuple[str, list[str]]]:
    """(question id, answer texts) in the order of the file; ids may repeat."""
    try:
        return [
            (question_id(path, question["id"]), [str(one["text"]) for one in question["answers"]])
            for question in _questions(_unwrapped(path))
        ]
    except (KeyError, TypeError, AttributeError) as fault:
        raise DataError(
            f"{path}: not SQuAD JSON ({type(fault).__name__}: {fault})",
            "needed: data[].paragraphs[].qas[].{id, answers[].text}",
        ) from fault


def question_id(path: Path, value: Any) -> str:
    """A question's id as text: the number 7 and the text "7" are one id, as in JSON's keys.

    Raises:
        DataError: the value is neither.
    """
    if isinstance(value, str):
        return value
    if type(value) is int:
        return str(value)
    raise DataError(
        f"{path}: the question id {json.dumps(value)[:60]} is neither a text nor a whole number",
        "give every question an id",
    )


def _questions(articles: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for article in articles:
        for paragraph in article["paragraphs"]:
            yield from paragraph["qas"]


LINES = Format(text=_line_text, read=_stripped, read_gold=_stripped, starts=_every_line)
# form of the predictions -> its file
FORMATS: dict[str, Format] = {
    "labels": LINES,  # a class, or the index of a choice
    "matches": LINES,  # the line number of the matching sentence
    "tags": Format(  # one a line, and an empty line after each sentence
        text=_tag_text, read=_read_tags, read_gold=_read_tags, starts=_sentence_starts
    ),
    "pairs": Format(  # foreign id, tab, English id; as many as were found
        text=_pair_text,
        read=_read_pairs,
        read_gold=_read_pairs,
        starts=_every_line,
        one_an_item=False,
    ),
    "answers": Format(  # question id -> answer; gold is SQuAD's JSON
        extension="json",
        text=_answer_text,
        read=_predicted_answers,
        read_gold=_gold_answers,
        starts=_every_line,
    ),
}
