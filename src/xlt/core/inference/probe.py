"""Texts of our own as items of any kind: for the parity gate, and to warm a served model up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

from xlt.core.kinds.base import ProbeText
from xlt.core.kinds.table import kind_of
from xlt.core.tasks.examples import Example
from xlt.core.tasks.table import Task

__all__ = ["plain_item", "probe_items"]

WORDS = "the river runs past seven old houses and a mill before it meets the sea again".split()


def probe_items(task: Task, max_length: int) -> Iterator[tuple[str, Example]]:
    """Names and items of the task's kind in 14 scripts, short and longer than the model takes.

    Args:
        task: decides the kind and, for choice tasks, the number of choices.
        max_length: tokens of the model; the long form has at least as many words.
    """
    texts = _texts()
    sentences = [entry["other"] for entry in texts]
    for index, entry in enumerate(texts):
        words = tuple(entry.get("words") or entry["text"].split())
        others = (entry["other"], *sentences[index + 1 :], *sentences[:index])
        for size, times in (("short", 1), ("long", 1 + max_length // len(words))):
            name = f"probe/{entry['lang']}/{size}"
            text = ProbeText(
                id=name,
                text=" ".join([entry["text"]] * times),
                other=entry["other"],
                question=entry["question"],
                words=words * times,
                choices=others[: task.n_choices or 2],
            )
            yield name, kind_of(task).probe(text)


def plain_item(task: Task, n_words: int = 16) -> Example:
    """One English item of about `n_words` words, two choices where the task does not say."""
    words = tuple(WORDS[index % len(WORDS)] for index in range(max(2, n_words)))
    half = len(words) // 2
    first, second = " ".join(words[:half]), " ".join(words[half:])
    kind = kind_of(task)
    return kind.probe(
        ProbeText(
            id="0",
            text=" ".join(words) if kind.vectors else second if kind.keyed else first,
            other=second,
            question=first,
            words=words,
            choices=(second,) * (task.n_choices or 2),
        )
    )


@cache
def _texts() -> list[dict[str, Any]]:
    texts: list[dict[str, Any]] = json.loads(
        resources.files("xlt.core.inference").joinpath("probe.json").read_text("utf-8")
    )
    return texts
