"""Input-blind baselines: scores on English dev of answers that do not look at the context."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from xlt.core.metrics.table import measure
from xlt.core.tasks.examples import Choice, Pair, Tagged
from xlt.core.tasks.table import Task

__all__ = ["choice_baselines", "pair_baselines", "tag_baselines"]


def pair_baselines(task: Task, train: Sequence[Pair], dev: Sequence[Pair]) -> dict[str, Any]:
    """`label`, the most frequent one in train, and its scores on dev as `majority`."""
    label = _most_frequent(Counter(e.label for e in train))
    found: dict[str, Any] = {"label": label}
    if dev:
        gold = [str(e.label) for e in dev]
        found["majority"] = measure(task.metric, gold, [label] * len(gold), "en")
    return found


def choice_baselines(task: Task, train: Sequence[Choice], dev: Sequence[Choice]) -> dict[str, Any]:
    """`uniform`: the expected accuracy of a guess; nothing without dev."""
    if not dev:
        return {}
    chances = [1 / len(e.choices) for e in dev]
    return {"uniform": {"accuracy": 100 * sum(chances) / len(chances)}}


def tag_baselines(task: Task, train: Sequence[Tagged], dev: Sequence[Tagged]) -> dict[str, Any]:
    """As `pair_baselines`, and as `per_word` each word's most frequent tag, else `label`."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for sentence in train:
        for word, tag in zip(sentence.words, sentence.tags or (), strict=True):
            counts[word][tag] += 1
    every = sum(counts.values(), Counter[str]())
    label = _most_frequent(every)
    found: dict[str, Any] = {"label": label}
    if dev:
        known = {word: _most_frequent(tags) for word, tags in counts.items()}
        gold = [list(sentence.tags or ()) for sentence in dev]
        constant = [[label] * len(sentence.words) for sentence in dev]
        by_word = [[known.get(word, label) for word in sentence.words] for sentence in dev]
        found["majority"] = measure(task.metric, gold, constant, "en")
        found["per_word"] = measure(task.metric, gold, by_word, "en")
    return found


def _most_frequent(counts: Counter[Any]) -> str:
    """The most frequent one, ties by name."""
    return str(min(counts, key=lambda label: (-counts[label], label)))
