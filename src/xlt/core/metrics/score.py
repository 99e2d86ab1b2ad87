"""The official numbers: score a predictions folder against a labels folder.

Every language file is scored alone; `averages` makes task, group and overall scores of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from xlt.core.errors import DataError
from xlt.core.metrics.averages import summarise
from xlt.core.metrics.counts import LengthMismatch
from xlt.core.metrics.official import (
    format_of,
    line_of,
    official_path,
    read_labels,
    read_predictions,
)
from xlt.core.metrics.table import measure
from xlt.core.tasks.languages import LANGUAGES, parse_langs
from xlt.core.tasks.table import TARGETS, Task, parse_tasks

__all__ = ["score_file", "score_folders", "summarise", "tasks_in"]

SHOWN = 5


def score_folders(
    predictions: Path,
    labels: Path,
    *,
    tasks: str = "all",
    langs: str | None = None,
    known: Mapping[str, Task] | None = None,
) -> dict[str, Any]:
    """Score all tasks that have a folder on both sides.

    Args:
        predictions: holds `<task>/test-<lang>.<ext>`.
        labels: holds the labels under the same names.
        tasks: a comma list; `all`: the targets, and what `known` adds.
        langs: a value of `--langs`, chosen among the official languages and those with files;
            None: all official languages of each task.
        known: user tasks by name.

    Returns:
        As `summarise`, and `notes` ({task: {lang: [remark]}}) where predictions do not answer
        what the labels ask.

    Raises:
        DataError: a language file is missing, files do not fit together, or no task is there.
        UsageError: an unknown task or language.
    """
    chosen = tasks_in(predictions, labels, tasks=tasks, known=known)
    plan = _plan(chosen, predictions, labels, langs)
    missing = [
        str(path)
        for task, lang in plan
        for path in (official_path(predictions, task, lang), official_path(labels, task, lang))
        if not path.is_file()
    ]
    if missing:
        others = f" (and {len(missing) - 1} more files)" if len(missing) > 1 else ""
        raise DataError(
            f"{missing[0]}: no such file{others}",
            "a task is scored in all its languages; add the files, or choose with --langs or "
            "--tasks (such a mean has another name)",
        )
    scores: dict[str, dict[str, dict[str, float]]] = {}
    notes: dict[str, dict[str, list[str]]] = {}
    for task, lang in plan:
        paths = official_path(predictions, task, lang), official_path(labels, task, lang)
        found, remarks = _compare(task, lang, *paths)
        for name, value in found.items():
            scores.setdefault(task.name, {}).setdefault(name, {})[lang] = value
        if remarks:
            notes.setdefault(task.name, {})[lang] = remarks
    return {**summarise(scores, extra=known), **({"notes": notes} if notes else {})}


def tasks_in(
    predictions: Path, labels: Path, *, tasks: str = "all", known: Mapping[str, Task] | None = None
) -> list[Task]:
    """The chosen tasks with a folder on both sides, in the order of the task table.

    Raises:
        DataError: a folder is missing, a named task has none, or they have no task in common.
    """
    for folder in (predictions, labels):
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder", "give the folder above the task folders")
    extra = dict(known or {})
    every = (*TARGETS, *extra)
    asked = parse_tasks(tasks, all_means=every, extra=extra)
    named = {part.strip() for part in tasks.split(",")} - {"all"}
    there = [t for t in asked if (predictions / t.name).is_dir() and (labels / t.name).is_dir()]
    absent = [task.name for task in asked if task.name in named and task not in there]
    if absent or not there:
        what = f"no folder of {', '.join(absent)}" if absent else "no task folder"
        raise DataError(
            f"{predictions} and {labels} have {what} in common",
            "needed on both sides: <task>/test-<lang>.<ext>, task one of " + " ".join(every),
        )
    return there


def _plan(
    tasks: Sequence[Task], predictions: Path, labels: Path, langs: str | None
) -> list[tuple[Task, str]]:
    """What to score: all official languages, or what `langs` chooses.

    A language that is named must have files; of a group (`all`, a family) those that have.
    """
    if langs is None:
        return [(task, lang) for task in tasks for lang in task.languages]
    there = {
        task.name: _languages_in(predictions, task) & _languages_in(labels, task) for task in tasks
    }
    codes = dict.fromkeys([*LANGUAGES, *sorted(set[str]().union(*there.values()))])
    asked = parse_langs(langs, LANGUAGES, codes)
    named = {part.strip() for part in langs.split(",")}
    plan = [
        (task, lang)
        for task in tasks
        for lang in dict.fromkeys([*task.languages, *asked])
        if lang in asked
        and (lang in there[task.name] or (lang in named and lang in task.languages))
    ]
    if not plan:
        raise DataError(
            f"{predictions} and {labels} have no file in common for --langs {langs}",
            "needed on both sides: <task>/test-<lang>.<ext>",
        )
    return plan


def _languages_in(folder: Path, task: Task) -> set[str]:
    """Languages that have a file of the task."""
    found = (folder / task.name).glob(f"test-*.{task.extension}")
    return {path.name.removeprefix("test-").partition(".")[0] for path in found}


def _without_empty_sentences(tags: Iterable[Any]) -> list[Any]:
    """Sentences with a word in them; two empty lines in a row make one without.

    It adds nothing to any score, and a reader of the words leaves it out, so that predictions may
    lack what the label file has.
    """
    return [sentence for sentence in tags if len(sentence)]


def _compare(
    task: Task, lang: str, predictions: Path, labels: Path
) -> tuple[dict[str, float], list[str]]:
    """Scores of one file of predictions, and remarks on predictions that answer nothing asked."""
    gold, predicted = read_labels(task, labels), read_predictions(task, predictions)
    try:
        return measure(task.metric, gold, predicted, lang), _remarks(task, gold, predicted)
    except LengthMismatch as fault:
        if fault.unit in {"tags", "sentences"}:
            gold, predicted = _without_empty_sentences(gold), _without_empty_sentences(predicted)
            if [*map(len, gold)] == [*map(len, predicted)]:
                return measure(task.metric, gold, predicted, lang), _remarks(task, gold, predicted)
        found, wanted = (line_of(task, path, fault.index) for path in (predictions, labels))
        if fault.unit == "tags":
            message = (
                f"{predictions}: line {found}: sentence {fault.index + 1} has {fault.found} tags, "
                f"but {fault.expected} in {labels} (line {wanted})"
            )
        else:
            message = (
                f"{predictions}: {fault.found} {fault.unit}, but {fault.expected} in {labels}; "
                f"they part at line {found} (labels: line {wanted})"
            )
        raise DataError(message, fault.hint) from fault
    except DataError as fault:
        raise DataError(f"{labels}: {fault.message}", fault.hint) from fault


def score_file(task: Task, lang: str, predictions: Path, labels: Path) -> dict[str, float]:
    """The scores of one file of predictions.

    Raises:
        DataError: a file is missing or damaged; or the two do not fit together: the message
            names files, lines and counts.
    """
    return _compare(task, lang, predictions, labels)[0]


def _remarks(task: Task, gold: Any, predicted: Any) -> list[str]:
    """What a score alone does not tell: questions without an answer, labels that do not exist."""
    if isinstance(predicted, Mapping):
        asked = [key for key, _ in gold]
        return [
            *_counted("questions without a prediction (counted as wrong)", asked, predicted),
            *_counted("predictions for questions that the labels do not have", predicted, asked),
        ]
    if not format_of(task).one_an_item:
        return []
    allowed = {*task.labels, *_flat(gold)}
    return _counted("predicted labels outside the set", _flat(predicted), allowed)


def _flat(labels: Iterable[Any]) -> Iterator[str]:
    """Labels one by one, of items with one label and of sentences of tags."""
    for one in labels:
        yield from [one] if isinstance(one, str) else one


def _counted(what: str, items: Iterable[str], known: Collection[str]) -> list[str]:
    """`what: 3, for example 'a' 'b'` when some items are not known."""
    known = set(known)
    strange = [item for item in items if item not in known]
    if not strange:
        return []
    names = " ".join(repr(item) for item in list(dict.fromkeys(strange))[:SHOWN])
    return [f"{what}: {len(strange)}, for example {names}"]
