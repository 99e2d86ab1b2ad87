"""Labels that lie beside a label-free test set: official label folders and XNLI's one file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from xlt.data.layouts import matches
from xlt.data.records import FileSet, Rows
from xlt.data.retrieval import read_gold
from xlt.data.rows import bad_row, lines, shown
from xlt.data.spans import read_answers
from xlt.data.tags import read_tag_lines
from xlt.errors import DataError
from xlt.examples import Answer, Bitext, Pair, Question, Tagged
from xlt.tasks import Task

__all__ = ["find_labels", "with_labels"]


def find_labels(root: Path, task: Task, lang: str) -> Path | None:
    """The label file of a test set: `labels/<task>/test-<lang>.<ext>`, or in the task's folder.

    XNLI's test rows are parallel, so one file can serve all languages there; nowhere else.
    """
    name = f"test-{lang}.{task.extension}"
    places = [f"labels/{task.name}/{name}", f"{task.name}/labels/{name}"]
    if task.name == "xnli":
        places.append("xnli/labels/test-all-languages.tsv")
    for place in places:
        if found := matches(root, place):
            return found[0]
    return None


def with_labels(rows: Rows, files: FileSet, path: Path, task: Task) -> Rows:
    """The rows with the labels of `path`, which must fit them one to one.

    Raises:
        DataError: numbers of labels and examples differ, unknown labels, questions without gold.
    """
    where = files.paths[0]
    notes = (*rows.notes, f"labels from {path.name}")
    if rows.bitext is not None:
        return dataclasses.replace(rows, bitext=_bitext(rows.bitext, path, task), notes=notes)
    examples = rows.examples
    if isinstance(examples[0], Question):
        answers = read_answers(path)
        unknown = [
            one.id for one in examples if isinstance(one, Question) and one.id not in answers
        ]
        if unknown:
            raise DataError(
                f"{path}: no answers for {len(unknown)} questions of {where} ({unknown[0]} ...)",
                "the label file must come from the same data set",
            )
        return dataclasses.replace(
            rows,
            examples=tuple(
                dataclasses.replace(one, answers=_answers(one, answers[one.id]))
                for one in examples
                if isinstance(one, Question)
            ),
            notes=notes,
        )
    if isinstance(examples[0], Tagged):
        tags = read_tag_lines(path)
        _same_number(path, len(tags), where, len(examples), "sentences")
        tagged = [one for one in examples if isinstance(one, Tagged)]
        for number, (one, given) in enumerate(zip(tagged, tags, strict=True), start=1):
            _same_number(path, len(given), where, len(one.words), f"words in sentence {number}")
            for tag in given:
                if task.labels and tag not in task.labels:
                    raise DataError(
                        f"{path}: sentence {number}: tag {shown(tag)} is not in the set",
                        "known: " + " ".join(task.labels),
                    )
        return dataclasses.replace(
            rows,
            examples=tuple(
                dataclasses.replace(one, tags=tuple(given))
                for one, given in zip(tagged, tags, strict=True)
            ),
            notes=notes,
        )
    labels = [line.strip() for line in lines(path)]
    _same_number(path, len(labels), where, len(examples), "lines")
    for number, label in enumerate(labels, start=1):
        if label not in task.labels:
            raise bad_row(
                path,
                number,
                f"label {shown(label)} is not in the set",
                "known: " + ", ".join(task.labels),
            )
    pairs = [one for one in examples if isinstance(one, Pair)]
    return dataclasses.replace(
        rows,
        examples=tuple(
            dataclasses.replace(one, label=label) for one, label in zip(pairs, labels, strict=True)
        ),
        notes=notes,
    )


def _same_number(path: Path, labels: int, where: Path, examples: int, what: str) -> None:
    if labels != examples:
        raise DataError(
            f"{path} has {labels} {what}, {where} has {examples}",
            "labels and test set must come from the same data set, in the same order",
        )


def _answers(question: Question, texts: list[str]) -> tuple[Answer, ...]:
    return tuple(Answer(text=text, start=question.context.find(text)) for text in texts)


def _bitext(bitext: Bitext, path: Path, task: Task) -> Bitext:
    """Gold pairs: BUCC's as they are; Tatoeba's line i is the i-th sorted English sentence."""
    if task.metric == "bucc":
        return dataclasses.replace(bitext, gold=read_gold(path))
    numbers = [line.strip() for line in lines(path)]
    _same_number(path, len(numbers), path, len(bitext.english), "lines")
    known = {sentence.id for sentence in bitext.foreign}
    for line, number in enumerate(numbers, start=1):
        if number not in known:
            raise bad_row(path, line, f"{shown(number)}", "a 0-based line number is needed")
    order = sorted(bitext.english, key=lambda sentence: sentence.text)
    gold = tuple((number, one.id) for number, one in zip(numbers, order, strict=True))
    return dataclasses.replace(bitext, gold=gold)
