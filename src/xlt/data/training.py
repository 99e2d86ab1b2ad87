"""English training data of a task and the dev set that selects models, free of test items.

SQuAD's dev set loses every question whose id or context XQuAD uses (XQuAD is a part of it,
translated). TyDiQA has no dev set, its dev file is XTREME's test: a seeded tenth of the English
train file is held out, whole contexts at a time.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xlt.core.errors import DataError, UsageError
from xlt.core.kinds.table import kind_of
from xlt.core.tasks.examples import Choice, Example, Pair, Question, Tagged
from xlt.core.tasks.table import Task
from xlt.data.overlap import keys_of, test_index
from xlt.data.records import DataSet
from xlt.data.root import DataRoot

__all__ = ["HELD_OUT", "Training", "training_sets"]

HELD_OUT = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What one training reads.

    Attributes:
        train: English examples, all with a usable answer.
        dev: English examples that share no item with `train`'s held-out part or with a test
            set; None when there are too few examples to hold any out.
        notes: what was held out, dropped, or is not the standard split.
    """

    train: DataSet
    dev: DataSet | None
    notes: tuple[str, ...] = ()


def training_sets(
    root: DataRoot, task: Task, *, seed: int, train_file: Path | None = None
) -> Training:
    """Train and dev set of a task; of its source where another task trains it.

    Args:
        root: the data root.
        task: a target, intermediate or user task of kind pair, choice, tag or span.
        seed: decides what is held out where there is no dev file.
        train_file: read this file instead of the standard train split.

    Raises:
        UsageError: nothing trains this task (retrieval, mlm).
        DataError: no train split (the paths tried are named), or no labels in it.
    """
    if task.source is None or kind_of(task).untrained:
        raise UsageError(
            f"task {task.name} has no labelled training data",
            "masked LM reads text/ and parallel/; retrieval uses the encoder as it is",
        )
    source = task if task.source == task.name else root.tasks[task.source]
    train = root.read(source, "en", "train", file=train_file)
    if not train.labelled:
        raise DataError(f"{train.paths[0]}: no labels to train on", "give a labelled file")
    notes: list[str] = []
    if train_file is not None:
        notes.append(f"{source.name}: trained on {train_file.name}, not the standard train split")
    train = _answerable(train, notes)
    dev = _dev_file(root, task, source, train, notes)
    if dev is None:
        train, dev = _hold_out(train, seed, notes)
    elif train_file is not None:
        dev = _unshared(dev, train, notes)
    if dev is not None:
        dev = _untested(root, task, dev, notes)
    return Training(train=train, dev=dev, notes=tuple(notes))


def _answerable(train: DataSet, notes: list[str]) -> DataSet:
    """Without questions whose first answer stands nowhere in the context."""
    kept = [
        one
        for one in train.examples
        if not (isinstance(one, Question) and one.answers and one.answers[0].start < 0)
    ]
    lost = len(train.examples) - len(kept)
    if not lost:
        return train
    note = f"{train.task}: {lost} questions whose answer is not in the context left out"
    notes.append(note)
    return train.part("answerable", kept, note)


def _dev_file(
    root: DataRoot, task: Task, source: Task, train: DataSet, notes: list[str]
) -> DataSet | None:
    """The English dev file: the task's own, else its source's; for questions the source's."""
    owners = [source] if kind_of(task).dev_of_source or source == task else [task, source]
    for owner in owners:
        if root.find(owner, "en", "dev") is None:
            continue
        dev = root.read(owner, "en", "dev")
        if not dev.labelled:
            notes.append(f"{owner.name}: the English dev file has no labels")
        elif dev.sha256 == train.sha256 or set(dev.paths) == set(train.paths):
            notes.append(f"{owner.name}: the dev file is what is trained on")
        else:
            return dev
    return None


def _group(example: Example) -> Hashable:
    """What train and held-out part must not share: context, premise, prompt or words."""
    if isinstance(example, Question):
        return example.context
    if isinstance(example, Pair):
        return example.text_a
    if isinstance(example, Choice):
        return example.prompt
    return example.words if isinstance(example, Tagged) else example.id


def _hold_out(train: DataSet, seed: int, notes: list[str]) -> tuple[DataSet, DataSet | None]:
    """A seeded tenth of the examples, in whole groups, and the rest; file order is kept."""
    groups: dict[Hashable, list[int]] = {}
    for index, example in enumerate(train.examples):
        groups.setdefault(_group(example), []).append(index)
    if len(groups) < 2:
        notes.append(f"{train.task}: no dev set, too few examples to hold any out")
        return train, None
    wanted = max(1, round(HELD_OUT * len(train.examples)))
    members = list(groups.values())
    held: set[int] = set()
    for place in np.random.default_rng(seed).permutation(len(members))[:-1]:
        if len(held) >= wanted:
            break
        held.update(members[place])
    note = (
        f"{train.task}: dev is a held-out part of train, {len(held)} of {len(train.examples)} "
        f"examples (seed {seed})"
    )
    notes.append(note)
    inside = [one for index, one in enumerate(train.examples) if index in held]
    outside = [one for index, one in enumerate(train.examples) if index not in held]
    dev = train.part(f"held out, seed {seed}", inside, note)
    return train.part(f"without held out, seed {seed}", outside), dev


def _unshared(dev: DataSet, train: DataSet, notes: list[str]) -> DataSet | None:
    """The dev set without what a file of the user's choice already trains on."""
    shared = {_group(one) for one in train.examples}
    kept = [one for one in dev.examples if _group(one) not in shared]
    return _kept(dev, kept, "in the train file", notes)


def _untested(root: DataRoot, task: Task, dev: DataSet, notes: list[str]) -> DataSet | None:
    """The dev set without items of any test set of its kind.

    Against the English test sets that this training is scored on, the shortest texts count too.
    """
    tests = test_index(root, task.kind)
    names = frozenset[str]().union(*(test.names for test in tests))
    texts = frozenset[bytes]().union(*(test.texts for test in tests))
    contexts = frozenset[bytes]().union(*(test.contexts for test in tests))
    own = {
        keys_of(one, least=1).text
        for test in root.tasks.values()
        if test.kind == task.kind
        and test.source == task.source
        and root.find(test, "en", "test") is not None
        for one in root.read(test, "en", "test").examples
    }
    kept = []
    for one in dev.examples:
        keys = keys_of(one)
        if keys.name in names or keys.text in texts or keys.context in contexts:
            continue
        if keys_of(one, least=1).text not in own:
            kept.append(one)
    return _kept(dev, kept, "of a test set", notes)


def _kept(dev: DataSet, kept: list[Example], why: str, notes: list[str]) -> DataSet | None:
    lost = len(dev.examples) - len(kept)
    if not lost:
        return dev
    if not kept:
        notes.append(f"{dev.task}: no dev set, all {lost} dev examples are items {why}")
        return None
    note = f"{dev.task}: {lost} of {len(dev.examples)} dev examples are items {why}, left out"
    notes.append(note)
    return dev.part(why, kept, note)
