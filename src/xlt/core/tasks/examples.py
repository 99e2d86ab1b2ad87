"""What readers yield and engines take: one frozen record per kind of task.

Gold parts (`label`, `tags`, `answers`) are None where a file has no labels.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Answer", "Bitext", "Choice", "Example", "Pair", "Question", "Sentence", "Tagged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two texts (or one: `text_b` None) and a class label, one of the task's `labels`."""

    id: str
    text_a: str
    text_b: str | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A prompt and its candidate continuations; `label` is the index of the right one."""

    id: str
    prompt: str
    choices: tuple[str, ...]
    label: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged:
    """A sentence as words, with one tag a word."""

    id: str
    words: tuple[str, ...]
    tags: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer and where it starts in the context, in Unicode code points."""

    text: str
    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question about a context. No answers and `answers == ()` means unanswerable (SQuAD 2)."""

    id: str
    question: str
    context: str
    answers: tuple[Answer, ...] | None = None
    paragraph: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """One sentence of a retrieval collection, or one text of a corpus."""

    id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bitext:
    """Two collections to match. `gold` holds (foreign id, English id) pairs, None without gold."""

    foreign: tuple[Sentence, ...]
    english: tuple[Sentence, ...]
    gold: tuple[tuple[str, str], ...] | None = None


Example = Pair | Choice | Tagged | Question | Sentence
