"""Reads the data of one task: train sets, dev set, subsets, and what a control makes of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from xlt.core.errors import DataError, UsageError
from xlt.core.files import sha256_bytes
from xlt.core.tasks.examples import Example, Pair, Sentence, Tagged
from xlt.core.tasks.table import TASKS, Task
from xlt.data import DataRoot, DataSet, training_sets
from xlt.train.plan.base import Base
from xlt.train.plan.config import TrainConfig
from xlt.train.plan.controls import control_part
from xlt.train.plan.hyper import resolve
from xlt.train.plan.phases import Part
from xlt.train.seeds import derive

__all__ = ["dev_of_run", "read_part", "read_text", "target_dev"]

MOST_CHARACTERS = 20_000_000  # of text a language
MLM_RATIO = 0.2


def read_part(
    config: TrainConfig,
    root: DataRoot,
    base: Base,
    task: Task,
    *,
    phase: str,
    target: bool,
) -> Part:
    """The data of a task as a phase trains on it.

    Args:
        config: the flags.
        root: the data root.
        base: the encoder, which decides hyper-parameters.
        task: a target or an intermediate task, mlm included.
        phase: its name.
        target: whether it is a target's.

    Raises:
        DataError: a set is missing or wrong.
        UsageError: more examples are asked for than there are.
    """
    if task.kind == "mlm":
        return read_text(config, root, base, phase=phase)
    files = dict(config.train_split)
    file = files.get(task.source or task.name, files.get(task.name))
    found = training_sets(root, task, seed=config.data_seed, train_file=file)
    more = _few_shot(config, root, task) if target else _translations(config, root, task)
    trains = [found.train, *(data for data, _ in more)]
    if not task.labels and task.kind in {"pair", "tag"}:
        task = task.with_labels(_labels([e for data in trains for e in data.examples]))
    amounts = [config.train_examples, *(count for _, count in more)]
    seed = derive(config.data_seed, "examples", task.name)
    part = Part(
        task=task,
        hyper=resolve(config, task, compact=base.compact, aligned=base.aligned, phase=phase),
        trains=tuple(
            data if amount is None else _subset(data, amount, seed)
            for data, amount in zip(trains, amounts, strict=True)
        ),
        dev=_cut_dev(found.dev, task, config.dev_examples, config.data_seed),
        notes=found.notes,
    )
    if config.control is None or target:
        return part
    return control_part(config.control, part, derive(config.data_seed, "control", task.name))


def read_text(
    config: TrainConfig, root: DataRoot, base: Base, *, phase: str, share: float | None = None
) -> Part:
    """Masked LM on the root's text/, every language of it.

    Raises:
        DataError: the root has no text/.
    """
    langs = root.text_langs()
    if not langs:
        raise DataError(
            f"masked LM needs text, and {root.path} has no text/<lang>.txt",
            "add it, plain or gzip, one text a line",
        )
    sets = []
    for lang in langs:
        lines, size = [], 0
        for line in root.text(lang):
            size += len(line)
            if size > MOST_CHARACTERS:
                break
            lines.append(line)
        paths = tuple(sorted(root.path.glob(f"text/{lang}.txt*")))[:1]
        sets.append(
            DataSet(
                task="text",
                lang=lang,
                split="train",
                examples=tuple(Sentence(id=str(n), text=line) for n, line in enumerate(lines)),
                labelled=False,
                paths=paths,
                sha256=sha256_bytes("\n".join(lines).encode()),
            )
        )
    task = TASKS["mlm"]
    hyper = resolve(config, task, compact=base.compact, aligned=base.aligned, phase=phase)
    return Part(task=task, hyper=hyper, trains=tuple(sets), dev=None, selects=False, share=share)


def dev_of_run(root: DataRoot, name: str, config: Mapping[str, Any]) -> tuple[Task, DataSet | None]:
    """A task, and the English dev set of its phase in another run, from the data as they are now.

    Args:
        root: the data root.
        name: of an intermediate task.
        config: what run.json of that run says it was asked.

    Raises:
        UsageError: the root does not have the task.
        DataError: its files are missing or wrong.
    """
    task = root.tasks.get(name)
    if task is None:
        raise UsageError(f"{name} is not among the tasks of this run", "add its --task-file")
    files = config.get("train_split", {})
    file = files.get(task.source or name, files.get(name))
    seed = int(config.get("data_seed", 1))
    sets = training_sets(root, task, seed=seed, train_file=Path(file) if file else None)
    return task, _cut_dev(sets.dev, task, config.get("dev_examples"), seed)


def target_dev(
    root: DataRoot, task: Task, without: Sequence[str]
) -> dict[str, tuple[Example, ...]]:
    """The labelled dev sets of the task's other languages; a language trained on is left out.

    They never choose what a run writes: only the oracle of `xlt average` reads them.

    Args:
        root: the data root.
        task: with labels resolved.
        without: codes of languages whose labels were trained on.
    """
    langs = [lang for lang in root.langs(task, "dev") if lang not in {"en", *without}]
    found = {lang: root.read(task, lang, "dev") for lang in langs}
    return {lang: data.examples for lang, data in found.items() if data.labelled and data.examples}


def _translations(
    config: TrainConfig, root: DataRoot, task: Task
) -> list[tuple[DataSet, str | None]]:
    """Translated training data, cut as the English data are.

    Raises:
        DataError: a language is missing.
    """
    source = task if task.source in {None, task.name} else root.tasks[str(task.source)]
    return [
        (root.read(source, lang, "translated"), config.train_examples) for lang in config.translated
    ]


def _few_shot(config: TrainConfig, root: DataRoot, task: Task) -> list[tuple[DataSet, str | None]]:
    """Labelled data of target languages: their train split, else their dev split; never test.

    Raises:
        DataError: a language has neither, or no labels.
    """
    found: list[tuple[DataSet, str | None]] = []
    for entry in config.target_langs:
        lang, _, count = entry.partition(":")
        split = "train" if root.find(task, lang, "train") is not None else "dev"
        if root.find(task, lang, split) is None:
            raise DataError(
                f"--target-langs {lang}: {task.name} has neither a train nor a dev set for it",
                f"tried {', '.join(root.tried(task, lang, 'train')[:3])}",
            )
        data = root.read(task, lang, split)
        if not data.labelled:
            raise DataError(
                f"--target-langs {lang}: {data.paths[0]} has no labels", "give labelled data"
            )
        note = f"{task.name}: few-shot, {lang} {split} split is trained on"
        # split "train": what a bundle says it has learnt from leaves dev sets out
        data = replace(data.part("few-shot", data.examples, note), split="train")
        found.append((data, count or config.train_examples))
    return found


def _cut_dev(dev: DataSet | None, task: Task, count: int | None, data_seed: int) -> DataSet | None:
    """At most so many examples of a dev set; None: all."""
    if dev is None or count is None or count >= len(dev.examples):
        return dev
    return _subset(dev, str(count), derive(data_seed, "dev", task.name))


def _subset(data: DataSet, amount: str, seed: int) -> DataSet:
    """The first examples of one seeded order: smaller amounts lie inside larger ones.

    Raises:
        UsageError: more examples are asked for than there are.
    """
    total = len(data.examples)
    share = amount.endswith("%")
    count = math.ceil(float(amount[:-1]) / 100 * total) if share else int(amount)
    if count > total:
        raise UsageError(
            f"--train-examples {count}: {data.task} has {total}"
            + (f" in {data.lang}" if data.lang != "en" else ""),
            "ask for fewer, or leave it out",
        )
    order_N = np.random.default_rng(seed).permutation(total)
    kept = np.sort(order_N[:count])
    examples = [data.examples[i] for i in kept]
    return data.part(f"first {count} of seed {seed}", examples, f"{count} of {total} examples")


def _labels(examples: Sequence[Example]) -> list[str]:
    """The labels that occur, sorted; for tasks whose set comes from the data."""
    tags = (e.tags or () for e in examples if isinstance(e, Tagged))
    labels = {e.label for e in examples if isinstance(e, Pair) and e.label is not None}
    return sorted(labels.union(itertools.chain.from_iterable(tags)))
