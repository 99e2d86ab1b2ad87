"""Labels that lie beside a label-free test set: official label folders and XNLI's one file."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from xlt.core.errors import DataError
from xlt.core.tasks.examples import Answer, Bitext, Choice, Example, Pair, Question, Tagged
from xlt.core.tasks.table import KindName, ProtocolName, Task
from xlt.data.layouts import matches
from xlt.data.readers.retrieval import read_gold
from xlt.data.readers.rows import bad_row, lines, shown, whole_number
from xlt.data.readers.spans import read_answers, start_of
from xlt.data.readers.tags import read_tag_lines
from xlt.data.records import Rows

__all__ = ["find_labels", "with_labels"]


# Label files that serve every language, where the rows of all test files are parallel.
SHARED_LABELS = {"xnli": ("xnli/labels/test-all-languages.tsv",)}


def find_labels(root: Path, task: Task, lang: str) -> Path | None:
    """The label file of a test set: `labels/<task>/test-<lang>.<ext>`, or in the task's folder.

    One file serves all languages only where `SHARED_LABELS` names it.
    """
    name = f"test-{lang}.{task.extension}"
    places = [f"labels/{task.name}/{name}", f"{task.name}/labels/{name}"]
    places += SHARED_LABELS.get(task.name, ())
    for place in places:
        if found := matches(root, place):
            return found[0]
    return None


def with_labels(rows: Rows, where: Path, path: Path, task: Task) -> Rows:
    """The rows of the test file `where` with the labels of `path`, one to one.

    Raises:
        DataError: numbers of labels and examples differ, unknown labels, questions without gold.
    """
    notes = (*rows.notes, f"labels from {path.name}")
    if rows.bitext is not None and task.protocol is not None:
        bitext = BITEXT_LABELS[task.protocol](rows.bitext, where, path)
        return dataclasses.replace(rows, bitext=bitext, notes=notes)
    examples = LABELS[task.kind](rows.examples, where, path, task)
    return dataclasses.replace(rows, examples=tuple(examples), notes=notes)


def _answered(examples: Sequence[Example], where: Path, path: Path, task: Task) -> list[Example]:
    answers = read_answers(path)
    questions = [one for one in examples if isinstance(one, Question)]
    place: Counter[str] = Counter()  # of a question among those of its id
    beside: list[list[tuple[str, int]] | None] = []
    for one in questions:
        given = answers.get(one.id, [])
        beside.append(given[place[one.id]] if place[one.id] < len(given) else None)
        place[one.id] += 1
    unknown = [one.id for one, given in zip(questions, beside, strict=True) if given is None]
    if unknown:
        raise DataError(
            f"{path}: no answers for {len(unknown)} questions of {where} ({unknown[0]} ...)",
            "the label file must come from the same data set",
        )
    return [
        dataclasses.replace(
            one,
            answers=tuple(
                Answer(text=text, start=start_of(one.context, text, start))
                for text, start in given or ()
            ),
        )
        for one, given in zip(questions, beside, strict=True)
    ]


def _tagged(examples: Sequence[Example], where: Path, path: Path, task: Task) -> list[Example]:
    # the test file's reader skips empty lines too, however many follow each other
    tags = [given for given in read_tag_lines(path) if given]
    _same_number(path, len(tags), where, len(examples), "sentences")
    sentences = [one for one in examples if isinstance(one, Tagged)]
    for number, (one, given) in enumerate(zip(sentences, tags, strict=True), start=1):
        _same_number(path, len(given), where, len(one.words), f"words in sentence {number}")
        for tag in given:
            if task.labels and tag not in task.labels:
                raise DataError(
                    f"{path}: sentence {number}: tag {shown(tag)} is not in the set",
                    "known: " + " ".join(task.labels),
                )
    return [
        dataclasses.replace(one, tags=tuple(given))
        for one, given in zip(sentences, tags, strict=True)
    ]


def _classified(examples: Sequence[Example], where: Path, path: Path, task: Task) -> list[Example]:
    """Pairs get class names, choices the index of the right one."""
    labels = [line.strip() for line in lines(path)]
    _same_number(path, len(labels), where, len(examples), "lines")
    found: list[Example] = []
    for number, (one, label) in enumerate(zip(examples, labels, strict=True), start=1):
        if isinstance(one, Pair) and (not task.labels or label in task.labels):
            found.append(dataclasses.replace(one, label=label))
        elif (
            isinstance(one, Choice)
            and (index := whole_number(label)) is not None
            and index < len(one.choices)
        ):
            found.append(dataclasses.replace(one, label=index))
        else:
            count = len(one.choices) if isinstance(one, Choice) else task.n_choices
            known = task.labels or [str(index) for index in range(count)]
            raise bad_row(
                path,
                number,
                f"label {shown(label)} is not in the set",
                "known: " + ", ".join(known),
            )
    return found


def _same_number(path: Path, labels: int, where: Path, examples: int, what: str) -> None:
    if labels != examples:
        raise DataError(
            f"{path} has {labels} {what}, {where} has {examples}",
            "labels and test set must come from the same data set, in the same order",
        )


def _paired(bitext: Bitext, where: Path, path: Path) -> Bitext:
    """Gold pairs as they are in the file."""
    return dataclasses.replace(bitext, gold=read_gold(path))


def _numbered(bitext: Bitext, where: Path, path: Path) -> Bitext:
    """Gold by line numbers: line i is the match of the i-th English sentence, sorted by text."""
    numbers = [line.strip() for line in lines(path)]
    _same_number(path, len(numbers), where, len(bitext.english), "sentences")
    known = {sentence.id for sentence in bitext.foreign}
    for line, number in enumerate(numbers, start=1):
        if number not in known:
            raise bad_row(
                path, line, f"{shown(number)} is not a line number", f"known: 0 to {len(known) - 1}"
            )
    order = sorted(bitext.english, key=lambda sentence: sentence.text)
    gold = tuple((number, one.id) for number, one in zip(numbers, order, strict=True))
    return dataclasses.replace(bitext, gold=gold)


# One row a kind, and one a protocol of retrieval.
LABELS: dict[KindName, Callable[[Sequence[Example], Path, Path, Task], list[Example]]] = {
    "pair": _classified, "choice": _classified, "tag": _tagged, "span": _answered,
}  # fmt: skip
BITEXT_LABELS: dict[ProtocolName, Callable[[Bitext, Path, Path], Bitext]] = {
    "search": _numbered, "mine": _paired,
}  # fmt: skip
