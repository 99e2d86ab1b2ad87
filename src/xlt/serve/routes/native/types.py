"""Requests and answers of our own routes but those of retrieval."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from xlt.serve.limits import MAX_CHOICES, MAX_ITEMS
from xlt.serve.request.schemas import (
    Answer,
    ErrorFields,
    ModelName,
    Strict,
    Text,
    Truncate,
    Usage,
)

__all__ = [
    "AnswerRequest",
    "AnswerResponse",
    "Answered",
    "ChooseRequest",
    "ChooseResponse",
    "Chosen",
    "Classified",
    "ClassifyRequest",
    "ClassifyResponse",
    "ContextQuestion",
    "Entity",
    "Question",
    "Span",
    "TagRequest",
    "TagResponse",
    "Tagged",
    "TextPair",
    "Word",
]


Aggregation = Literal["none", "first", "max"]


# /v1/classify


class TextPair(Strict):
    """One text, or two."""

    text: Text
    text_pair: Text | None = None


class ClassifyRequest(Strict):
    """Texts or pairs of texts to classify."""

    inputs: Annotated[list[Text | TextPair], Meta(min_length=1, max_length=MAX_ITEMS)]
    model: ModelName = None
    truncate: Truncate = None


class Classified(Answer):
    """The label of one input, or its error."""

    index: int
    label: str | None = None
    score: float | None = None
    scores: dict[str, float] | None = None
    truncated: bool = False
    error: ErrorFields | None = None


class ClassifyResponse(Struct, kw_only=True):
    """Labels in the order of the inputs."""

    object: Literal["list"]
    model: str
    data: list[Classified]
    usage: Usage


# /v1/choose


class Question(Strict):
    """A prompt and what may follow it."""

    prompt: Text
    choices: Annotated[list[Text], Meta(min_length=2, max_length=MAX_CHOICES)]


class ChooseRequest(Strict):
    """Prompts with choices."""

    inputs: Annotated[list[Question], Meta(min_length=1, max_length=MAX_ITEMS)]
    model: ModelName = None
    truncate: Truncate = None


class Chosen(Answer):
    """The likeliest choice of one prompt, or its error."""

    index: int
    choice: int | None = None
    text: str | None = None
    score: float | None = None
    scores: list[float] | None = None
    truncated: bool = False
    error: ErrorFields | None = None


class ChooseResponse(Struct, kw_only=True):
    """Choices in the order of the inputs."""

    object: Literal["list"]
    model: str
    data: list[Chosen]
    usage: Usage


# /v1/tag


class TagRequest(Strict):
    """Texts, or sentences as lists of words; words are never joined or split again."""

    inputs: Annotated[
        list[Text | Annotated[list[Text], Meta(min_length=1, max_length=MAX_ITEMS)]],
        Meta(min_length=1, max_length=MAX_ITEMS),
    ]
    model: ModelName = None
    aggregation: Annotated[
        Aggregation,
        Meta(description="Entities from B-/I- tags: none; type of the first word; of the surest."),
    ] = "first"


class Word(Answer):
    """A word and its tag; `start` and `end` are code points in the text, for text inputs."""

    word: str
    tag: str
    score: float
    start: int | None = None
    end: int | None = None


class Entity(Answer):
    """Neighbouring words of one type; `first_word` and `last_word` are word indices."""

    type: str
    text: str
    score: float
    first_word: int
    last_word: int
    start: int | None = None
    end: int | None = None


class Tagged(Answer):
    """The words and entities of one input, or its error."""

    index: int
    words: list[Word] | None = None
    entities: list[Entity] | None = None
    error: ErrorFields | None = None


class TagResponse(Struct, kw_only=True):
    """Tags in the order of the inputs."""

    object: Literal["list"]
    model: str
    data: list[Tagged]
    usage: Usage


# /v1/answer


class ContextQuestion(Strict):
    """A question about a context; the context may be longer than the model reads at once."""

    question: Text
    context: Text


class AnswerRequest(Strict):
    """Questions with their contexts."""

    inputs: Annotated[list[ContextQuestion], Meta(min_length=1, max_length=MAX_ITEMS)]
    model: ModelName = None
    top_k: Annotated[int, Meta(ge=1, le=20)] = 1


class Span(Answer):
    """An answer: `context[start:end] == text`, in code points.

    `score` is the sum of the logits, `probability` their softmax over the best answers.
    """

    text: str
    start: int
    end: int
    score: float
    probability: float


class Answered(Answer):
    """The best answers of one input, best first, or its error.

    `answerable` is false when the model holds that the context has no answer; `null_score` is its
    score for that (models trained for it).
    """

    index: int
    answerable: bool | None = None
    answers: list[Span] | None = None
    null_score: float | None = None
    error: ErrorFields | None = None


class AnswerResponse(Struct, kw_only=True):
    """Answers in the order of the inputs."""

    object: Literal["list"]
    model: str
    data: list[Answered]
    usage: Usage
