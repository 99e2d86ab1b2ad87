"""Right and wrong predictions that a person can read, each text in its own script and direction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from xlt.core.errors import DataError, XltError
from xlt.core.tasks.examples import Bitext, Choice, Example, Pair, Question, Tagged
from xlt.core.tasks.table import Task
from xlt.data import DataRoot
from xlt.evalsuite.compute.rows import headline_score
from xlt.evalsuite.report.page.items import Items, read_items
from xlt.evalsuite.report.page.scores import languages
from xlt.evalsuite.report.page.sources import Source, task_order

__all__ = ["Shown", "Texts", "pick_cells", "read_examples"]

RIGHT_TO_LEFT = {"Arab", "Hebr", "Syrc", "Thaa", "Nkoo", "Adlm", "Rohg"}
MOST_CHARACTERS = 280
RIGHT = 99.999  # percent from which an item counts as right


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One item: its texts with their names, what is right, what was predicted, its own score."""

    parts: Sequence[tuple[str, str]]
    gold: str
    predicted: str
    score: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Examples of one cell.

    Attributes:
        lang: code of the language, for the `lang` attribute.
        direction: "rtl" or "ltr".
    """

    task: str
    lang: str
    language: str
    direction: str
    score: float
    right: Sequence[Shown]
    wrong: Sequence[Shown]


def pick_cells(source: Source) -> Iterator[tuple[str, str]]:
    """For each task the weakest language, one that is written from right to left, and English."""
    known = languages([source])
    for task in task_order([source]):
        scores = source.results.scores(task)
        if not scores:
            continue
        leftward = [lang for lang in scores if known[lang]["script"] in RIGHT_TO_LEFT]
        chosen = [min(scores, key=lambda lang: scores[lang]), *leftward[:1]]
        if "en" in scores:
            chosen.append("en")
        for lang in dict.fromkeys(chosen):
            yield task, lang


def read_examples(source: Source, root: DataRoot, number: int, problems: list[str]) -> list[Texts]:
    """Up to `number` right and as many wrong items of each picked cell, the first in the file.

    Args:
        source: whose predictions.
        root: where the items are.
        number: of each sort.
        problems: why a cell has no examples, one line each, is added here.
    """
    known = languages([source])
    found = []
    for task, lang in pick_cells(source):
        cell = source.cells[task, lang]
        try:
            record, path = root.tasks.get(task), source.predictions(cell)
            if record is None or path is None:
                what = "predictions" if record else f"task {task} in the data root"
                raise DataError(f"there is no {what}", "")
            items = read_items(root, record, lang, str(source.results.record["split"]), path)
        except XltError as error:
            problems.append(f"{task}/{lang}: no examples, {error.message}")
            continue
        right, wrong = _sorted(record, items, number)
        script = known[lang]["script"]
        found.append(
            Texts(
                task=task,
                lang=lang,
                language=str(known[lang]["name"]),
                direction="rtl" if script in RIGHT_TO_LEFT else "ltr",
                score=float(cell["score"]),
                right=right,
                wrong=wrong,
            )
        )
    return found


def _sorted(task: Task, items: Items, number: int) -> tuple[list[Shown], list[Shown]]:
    shown = _all_shown(task, items)
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = headline_score(task.metric)(items.rows.counts)
    right: list[Shown] = []
    wrong: list[Shown] = []
    for score, one in zip(scores, shown, strict=False):
        side = right if score >= RIGHT else wrong
        if one is not None and len(side) < number:
            side.append(replace(one, score=float(score)))
    return right, wrong


def _all_shown(task: Task, items: Items) -> Iterator[Shown | None]:
    if items.data.bitext is not None:
        yield from _matched(task, items.data.bitext, items)
        return
    for index, example in enumerate(items.data.examples):
        yield _shown(example, index, items)


def _shown(example: Example, index: int, items: Items) -> Shown:
    match example:
        case Question():
            answers = items.gold[index][1]
            return Shown(
                parts=[
                    ("question", example.question),
                    ("text", _around(example.context, answers[0] if answers else "")),
                ],
                gold=" / ".join(dict.fromkeys(answers)) or "(no answer)",
                predicted=items.predicted.get(example.id) or "(no answer)",
            )
        case Tagged():
            gold, guess = items.gold[index], items.predicted[index]
            words = list(zip(example.words, gold, guess, strict=True))
            off = [(word, a, b) for word, a, b in words if a != b]
            marks = off or [one for one in words if one[1] != "O"]
            return Shown(
                parts=[("text", _cut(" ".join(example.words)))],
                gold="  ".join(f"{word}/{a}" for word, a, _ in marks[:8]) or "O",
                predicted="  ".join(f"{word}/{b}" for word, _, b in marks[:8]) or "O",
            )
        case Choice():
            named = list(enumerate(example.choices))
            return Shown(
                parts=[
                    ("text", _cut(example.prompt)),
                    *((f"choice {place}", _cut(text)) for place, text in named),
                ],
                gold=_choice(example, items.gold[index]),
                predicted=_choice(example, items.predicted[index]),
            )
        case Pair():
            texts = [("text", example.text_a), ("second text", example.text_b)]
            return Shown(
                parts=[(name, _cut(text)) for name, text in texts if text is not None],
                gold=str(items.gold[index]),
                predicted=str(items.predicted[index]),
            )
    return Shown(parts=[], gold="", predicted="")


def _choice(example: Choice, index: Any) -> str:
    place = int(index)
    return example.choices[place] if 0 <= place < len(example.choices) else str(index)


def _matched(task: Task, bitext: Bitext, items: Items) -> Iterator[Shown | None]:
    foreign = {sentence.id: sentence.text for sentence in bitext.foreign}
    english = {sentence.id: sentence.text for sentence in bitext.english}
    if task.protocol == "mine":
        wanted, given = set(map(tuple, items.gold)), set(map(tuple, items.predicted))
        for pair in dict.fromkeys([*map(tuple, items.gold), *map(tuple, items.predicted)]):
            yield Shown(
                parts=[
                    ("text", _cut(foreign.get(pair[0], pair[0]))),
                    ("English", _cut(english.get(pair[1], pair[1]))),
                ],
                gold="a pair" if pair in wanted else "no pair",
                predicted="a pair" if pair in given else "no pair",
            )
        return
    right = dict(bitext.gold or ())
    for gold, guess in zip(items.gold, items.predicted, strict=True):
        yield Shown(
            parts=[("English", _cut(english.get(right.get(gold, ""), "")))],
            gold=_cut(foreign.get(gold, gold)),
            predicted=_cut(foreign.get(guess, guess)),
        )


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"


def _around(context: str, answer: str) -> str:
    """The part of a long text in which the answer stands."""
    if len(context) <= MOST_CHARACTERS:
        return context
    start = max(0, context.find(answer) - (MOST_CHARACTERS - len(answer)) // 2) if answer else 0
    part = context[start : start + MOST_CHARACTERS]
    return ("…" if start else "") + part + ("…" if start + MOST_CHARACTERS < len(context) else "")
