"""Does the effect differ between items that need inference and items that the surface answers?

The same seeds, languages and trainings on both sides; only the items differ. Two ways to tell them,
both from English texts alone, so that they choose the same items in every language of a parallel
set. XNLI: the items that a model which reads only the hypothesis gets wrong; it is a bag of words,
trained on the English training data. Questions: by what they ask, as their first question word
tells. Source: Gururangan et al. 2018 and Poliak et al. 2018 for hypothesis-only baselines.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xlt.core.errors import XltError
from xlt.core.tasks.examples import Pair, Question
from xlt.core.tasks.table import Task
from xlt.data import DataRoot, DataSet
from xlt.data.training import training_sets
from xlt.study.answer.contrast import minus
from xlt.study.answer.estimands import effect_of, effect_sum
from xlt.study.answer.finding import Finding, finding_of
from xlt.study.answer.folder import Axes, Folder
from xlt.study.answer.scores import Place, Scores, Subset, read_scores

__all__ = [
    "NEEDS", "QUESTION_TYPES", "hypothesis_only", "item_difference", "item_findings", "item_scores",
    "item_subsets", "question_type",
]  # fmt: skip

# what needs inference, and what stands against it
NEEDS = (
    ("inference: hypothesis alone misleads", "surface: hypothesis alone suffices"),
    ("questions: reason or manner", "questions: name, place or time"),
)
WORDS = {
    NEEDS[0]: "items that the hypothesis alone misleads - items that it suffices for",
    NEEDS[1]: "questions for a reason or manner - questions for a name, place or time",
}
WORD = re.compile(r"\w+")
# question words -> what is asked; the first that the question has decides
QUESTION_TYPES = {
    "reason or manner": ("why", "how"),
    "amount": ("how many", "how much", "how old", "how long", "how far", "how often"),
    "name, place or time": ("who", "whom", "whose", "when", "where", "which", "what"),
}
OTHER = "other"
FEWEST = 5  # items of a subset that is kept


def item_subsets(data: Path, places: Iterable[Place], split: str = "test") -> dict[str, Subset]:
    """Name of a subset -> which items of each task and language are in it.

    Tasks whose languages are not translations of each other, or whose English is missing, are
    left out: nothing would say that the same items count.

    Args:
        data: the data root that was evaluated.
        places: tasks and languages that have scores.
        split: that was evaluated.
    """
    root = DataRoot(data)
    by_task: dict[str, list[str]] = {}
    for task, lang in places:
        by_task.setdefault(task, []).append(lang)
    found: dict[str, dict[Place, NDArray[np.bool_]]] = {}
    for task, langs in by_task.items():
        try:
            named = _of_task(root, task, split)
        except XltError:
            continue
        for name, (ids, chosen) in named.items():
            for lang in langs:
                mask = _mask(root, task, lang, split, dict(zip(ids, chosen, strict=True)))
                if mask is not None and mask.sum() >= FEWEST:
                    found.setdefault(name, {})[task, lang] = mask
    return dict(found)


def question_type(question: str) -> str:
    """What an English question asks for."""
    text = " " + " ".join(WORD.findall(question.lower())) + " "
    found: list[tuple[int, int, str]] = []
    for name, words in QUESTION_TYPES.items():
        for word in words:
            at = text.find(f" {word} ")
            if at >= 0:
                found.append((at, -len(word), name))
    return min(found)[2] if found else OTHER


def hypothesis_only(
    train: Sequence[tuple[str, str]], texts: Sequence[str], labels: Sequence[str]
) -> list[str]:
    """Labels of texts from their words alone: naive Bayes over words and pairs of words.

    Args:
        train: (text, label) to learn from.
        texts: to label.
        labels: all labels; the first wins a tie.
    """
    seen: dict[str, Counter[str]] = {label: Counter() for label in labels}
    for text, label in train:
        seen[label].update(_features(text))
    known = set().union(*seen.values())
    totals = {label: sum(counts.values()) + len(known) for label, counts in seen.items()}
    prior = Counter(label for _, label in train)
    found = []
    for text in texts:
        features = _features(text) & known  # what was never seen speaks for no label
        score = {
            label: math.log(prior[label] + 1)
            + sum(math.log((seen[label][f] + 1) / totals[label]) for f in features)
            for label in labels
        }
        found.append(max(labels, key=lambda label: score[label]))
    return found


def _features(text: str) -> set[str]:
    words = WORD.findall(text.lower())
    return {*words, *(f"{a} {b}" for a, b in pairwise(words))}


Named = dict[str, tuple[list[str], list[bool]]]  # subset -> ids of the English items, in it or not


def _of_task(root: DataRoot, task: str, split: str) -> Named:
    """The subsets of a task, by its English items."""
    record = root.tasks[task]
    if record.name == "xnli":
        return _of_pairs(root, record, split)
    if record.kind != "span" or not _parallel(root, record, split):
        return {}
    english = root.read(record, "en", split)
    questions = [one for one in english.examples if isinstance(one, Question)]
    types = [question_type(one.question) for one in questions]
    ids = [one.id for one in questions]
    return {
        f"questions: {name}": (ids, [one == name for one in types])
        for name in QUESTION_TYPES
        if name in types
    }


def _of_pairs(root: DataRoot, task: Task, split: str) -> Named:
    """Items whose English hypothesis gives its label away, and the others."""
    english = root.read(task, "en", split)
    train = training_sets(root, task, seed=1).train
    pairs = [one for one in english.examples if isinstance(one, Pair)]
    learnt = [
        (one.text_b or "", one.label)
        for one in train.examples
        if isinstance(one, Pair) and one.label in task.labels
    ]
    told = hypothesis_only(learnt, [one.text_b or "" for one in pairs], task.labels)
    wrong = [label != one.label for label, one in zip(told, pairs, strict=True)]
    ids = [one.id for one in pairs]
    return {
        "inference: hypothesis alone misleads": (ids, wrong),
        "surface: hypothesis alone suffices": (ids, [not one for one in wrong]),
    }


def _parallel(root: DataRoot, task: Task, split: str) -> bool:
    """Whether the languages hold the same questions: English ids occur in the others."""
    ids = _ids(root.read(task, "en", split))
    others = [lang for lang in root.langs(task, split) if lang != "en"]
    return all(set(ids) & set(_ids(root.read(task, lang, split))) for lang in others)


def _mask(
    root: DataRoot, task: str, lang: str, split: str, chosen: dict[str, bool]
) -> NDArray[np.bool_] | None:
    """Which items of a language are chosen, by their ids; None where the set is not there."""
    record = root.tasks[task]
    if root.find(record, lang, split) is None:
        return None
    return np.array([chosen.get(one, False) for one in _ids(root.read(record, lang, split))])


def _ids(data: DataSet) -> list[str]:
    return [one.id for one in data.examples]


def item_scores(folder: Folder, scores: Scores) -> dict[str, Scores]:
    """Name of a subset of items -> scores over it; empty where the data root is not there."""
    if scores.data is None or not scores.data.is_dir():
        return {}
    subsets = item_subsets(scores.data, scores.there, scores.split)
    return {name: read_scores(folder, subset) for name, subset in subsets.items()}


def item_difference(
    parts: dict[str, Scores],
    arms: Sequence[str],
    baseline: str,
    axes: Sequence[Axes],
    tasks: Sequence[str],
    languages: str = "transfer",
) -> Finding | None:
    """The effect on items that need inference minus that on the others; None without both.

    XNLI's items, where it is among the tasks; else questions by what they ask.
    """
    for pair in NEEDS:
        if not all(name in parts for name in pair):
            continue
        own = [task for task in tasks if task in parts[pair[0]].tasks]
        sums = [effect_sum(parts[n], arms, baseline, axes, own, languages) for n in pair]
        first, second = sums
        if first is None or second is None or first[0].by_seed.shape != second[0].by_seed.shape:
            continue
        value, used, places, same = first
        return finding_of(
            minus(value, second[0]), kind="item_difference", arm=" + ".join(used),
            baseline=baseline, axes=axes[0] if len(axes) == 1 else (), group=WORDS[pair],
            tasks=tuple(dict.fromkeys(task for task, _ in places)), same_data=same,
            langs=tuple(dict.fromkeys(lang for _, lang in places)),
        )  # fmt: skip
    return None


def item_findings(
    folder: Folder, parts: dict[str, Scores], baseline: str, axes: Sequence[Axes]
) -> list[Finding]:
    """Effects of every arm on every subset, and the differences."""
    tasks = list(dict.fromkeys(task for scores in parts.values() for task in scores.tasks))
    found: list[Finding | None] = []
    for arm in folder.arms:
        for point in [[one] for one in axes] if arm != baseline else ():
            found += [
                effect_of(scores, [arm], baseline, point, [task], group=name)
                for name, scores in parts.items()
                for task in scores.tasks
            ]
            found += [item_difference(parts, [arm], baseline, point, [task]) for task in tasks]
    return [finding for finding in found if finding is not None]
