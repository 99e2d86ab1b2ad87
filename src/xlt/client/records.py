"""What `xlt.Client` returns: a record for every thing a server answers with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from xlt.core.errors import ModelError

__all__ = [
    "Answer",
    "Answered",
    "Chosen",
    "Classified",
    "Entity",
    "Match",
    "Model",
    "PartlyFailed",
    "Ranked",
    "Tagged",
    "Word",
    "record",
]

R = TypeVar("R")


class PartlyFailed(ModelError):
    """The model failed on some inputs; the others' results are here.

    Attributes:
        results: one an input, None where it failed.
        errors: input index -> what the server says.
    """

    def __init__(
        self,
        message: str,
        hint: str = "",
        results: Sequence[Any] = (),
        errors: Mapping[int, str] | None = None,
    ) -> None:
        super().__init__(message, hint)
        self.results, self.errors = list(results), dict(errors or {})

    def __reduce__(self) -> tuple[type[PartlyFailed], tuple[Any, ...]]:
        return type(self), (self.message, self.hint, self.results, self.errors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Classified:
    """The likeliest label, its probability, and those of all labels."""

    label: str
    score: float
    scores: dict[str, float]
    truncated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The likeliest choice: its index, text and probability, and all probabilities."""

    choice: int
    text: str
    score: float
    scores: list[float]
    truncated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word, its tag and the tag's probability; places only where a text was sent."""

    word: str
    tag: str
    score: float
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """Neighbouring words of one type; `first_word` and `last_word` are word indices."""

    type: str
    text: str
    score: float
    first_word: int
    last_word: int
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged:
    """The tagged words of one input, and its entities."""

    words: list[Word]
    entities: list[Entity] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A slice of the context: `context[start:end] == text`."""

    text: str
    start: int
    end: int
    score: float
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The best answers to one question, best first.

    Attributes:
        answerable: false when the model holds that the context has no answer.
        null_score: the model's score for that, where it was trained for it.
    """

    answerable: bool
    answers: list[Answer]
    null_score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A document's index in the request, and its cosine with the query."""

    index: int
    relevance_score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Indices into the two lists, and the margin score."""

    source: int
    target: int
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A loaded model.

    Attributes:
        id: what requests call it.
        answers: tasks it is meant for.
        max_length: tokens it reads at once.
        dimensions: of an embedder's vectors.
    """

    id: str
    task: str
    kind: str
    answers: list[str]
    labels: list[str]
    precision: str
    device: str
    max_length: int
    dimensions: int | None
    routes: list[str]


def record(kind: type[R], entry: Mapping[str, Any]) -> R:
    """A record of the fields it has; a newer server may send more."""
    names = {item.name for item in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in entry.items() if name in names})
