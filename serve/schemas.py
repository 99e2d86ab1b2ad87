"""What requests and answers look like; decoding, checks, errors and OpenAPI come from these types.

Our own routes and OpenAI's refuse unknown fields; TEI's and KServe's clients send extra ones.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from xlt.serve.errors import Problem
from xlt.serve.limits import MAX_ITEMS

__all__ = ["decode"]

Text = Annotated[str, Meta(min_length=1, description="A text that is not empty.")]
Texts = Annotated[list[Text], Meta(min_length=1, max_length=MAX_ITEMS)]
ModelName = Annotated[
    str | None,
    Meta(description="Which model; may be left out when only one fits the route."),
]
Truncate = Annotated[
    Literal["right", "left", "error"] | None,
    Meta(
        description="What to do with a text that is too long: cut that end, or refuse it. "
        "By default it is cut where the model's training cut, which is right for most."
    ),
]
Aggregation = Literal["none", "first", "max"]
T = TypeVar("T")


class Strict(Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of our own requests."""


class Answer(Struct, kw_only=True, omit_defaults=True):
    """Base of answers: parts that are not there are left out."""


# errors


class ErrorFields(Struct, kw_only=True):
    """OpenAI's error object."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(Struct, kw_only=True):
    """An error in OpenAI's dialect, and ours."""

    error: ErrorFields


class PlainError(Struct, kw_only=True):
    """An error in KServe's dialect."""

    error: str


class TeiError(Struct, kw_only=True):
    """An error in TEI's dialect."""

    error: str
    error_type: str


class Usage(Struct, kw_only=True):
    """Tokens that were computed, special tokens included."""

    prompt_tokens: int
    total_tokens: int


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
    choices: Annotated[list[Text], Meta(min_length=2, max_length=64)]


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


# /v1/similarity, /v1/rerank, /v1/bitext


class SimilarityRequest(Strict):
    """Two lists of texts; without targets the sources are compared with one another."""

    sources: Texts
    targets: Texts | None = None
    model: ModelName = None
    truncate: Truncate = None


class SimilarityResponse(Struct, kw_only=True):
    """`scores[i][j]`: cosine of source i and target j."""

    object: Literal["similarity"]
    model: str
    scores: list[list[float]]
    truncated: int
    usage: Usage


class RerankRequest(Strict):
    """A query and documents to put in order."""

    query: Text
    documents: Texts
    model: ModelName = None
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool = False
    truncate: Truncate = None


class Ranked(Answer):
    """A document's place in the request and its cosine with the query."""

    index: int
    relevance_score: float
    document: str | None = None


class RerankResponse(Struct, kw_only=True):
    """Best first."""

    object: Literal["rerank"]
    model: str
    results: list[Ranked]
    truncated: int
    usage: Usage


class BitextRequest(Strict):
    """Two lists of sentences, in two languages, to match."""

    sources: Texts
    targets: Texts
    model: ModelName = None
    margin: Literal["ratio", "distance", "absolute"] = "ratio"
    k: Annotated[int, Meta(ge=1, le=64)] = 4
    retrieval: Annotated[
        Literal["max", "intersect", "forward", "backward"],
        Meta(
            description="max: each sentence at most once, best pairs first; intersect: pairs that "
            "both sides propose; forward, backward: every sentence's best of one side."
        ),
    ] = "max"
    threshold: Annotated[
        float | None,
        Meta(description="Keep only scores above this; by default 0 for max, else no limit."),
    ] = None
    truncate: Truncate = None


class Match(Struct, kw_only=True):
    """A pair of places in the two lists, and its margin score."""

    source: int
    target: int
    score: float


class BitextResponse(Struct, kw_only=True):
    """Best first."""

    object: Literal["bitext"]
    model: str
    matches: list[Match]
    truncated: int
    usage: Usage


# OpenAI


class EmbeddingsRequest(Strict):
    """OpenAI's embeddings request."""

    input: Annotated[
        str | list[str | int | list[int]],
        Meta(description="A text, texts, token ids, or lists of token ids of the model itself."),
    ]
    model: ModelName = None
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[
        int | None, Meta(description="Only where the model declares that it can be cut.")
    ] = None
    user: str | None = None
    truncate: Truncate = None


class Embedding(Answer):
    """One vector of length 1: numbers, or base64 of little-endian float32."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str
    truncated: bool = False


class EmbeddingsResponse(Struct, kw_only=True):
    """Vectors in the order of the inputs."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: Usage


# TEI (unknown fields are ignored, as TEI does)

Side = Literal["right", "left", "Right", "Left"]


class TeiEmbedRequest(Struct, kw_only=True):
    """TEI's embed request."""

    inputs: str | list[str | int | list[int]]
    truncate: bool | None = None
    truncation_direction: Side = "right"
    normalize: bool | None = True
    prompt_name: str | None = None
    dimensions: int | None = None
    model: ModelName = None


class TeiPredictRequest(Struct, kw_only=True):
    """TEI's predict request; two strings in a list are one pair."""

    inputs: str | list[str | list[str]]
    truncate: bool | None = None
    truncation_direction: Side = "right"
    raw_scores: bool = False
    model: ModelName = None


class TeiScore(Struct, kw_only=True):
    """A class and its score."""

    score: float
    label: str


class TeiRerankRequest(Struct, kw_only=True):
    """TEI's rerank request."""

    query: Text
    texts: Texts
    truncate: bool | None = None
    truncation_direction: Side = "right"
    raw_scores: bool = False
    return_text: bool = False
    model: ModelName = None


class TeiRank(Answer):
    """A text's place in the request and its score."""

    index: int
    score: float
    text: str | None = None


class TeiSentences(Struct, kw_only=True):
    """One sentence and those it is compared with."""

    source_sentence: Text
    sentences: Texts


class TeiSimilarityParameters(Struct, kw_only=True):
    """How long sentences are cut."""

    truncate: bool | None = None
    truncation_direction: Side = "right"
    prompt_name: str | None = None


class TeiSimilarityRequest(Struct, kw_only=True):
    """TEI's similarity request."""

    inputs: TeiSentences
    parameters: TeiSimilarityParameters | None = None
    model: ModelName = None


class TeiTokenizeRequest(Struct, kw_only=True):
    """TEI's tokenize request."""

    inputs: str | Annotated[list[str], Meta(min_length=1, max_length=MAX_ITEMS)]
    add_special_tokens: bool = True
    prompt_name: str | None = None
    model: ModelName = None


class TeiToken(Struct, kw_only=True):
    """A token and its place in the text, in code points; special tokens have none."""

    id: int
    text: str
    special: bool
    start: int | None
    stop: int | None


class TeiDecodeRequest(Struct, kw_only=True):
    """TEI's decode request."""

    ids: Annotated[list[int | list[int]], Meta(min_length=1)]
    skip_special_tokens: bool = True
    model: ModelName = None


class TeiInfo(Struct, kw_only=True):
    """What is served, in TEI's words."""

    model_id: str
    model_sha: str | None
    model_dtype: str
    served_model_name: str
    model_type: dict[str, Any]
    max_concurrent_requests: int
    max_input_length: int
    max_batch_tokens: int
    max_batch_requests: int | None
    max_client_batch_size: int
    auto_truncate: bool
    tokenization_workers: int
    version: str
    sha: str | None
    docker_label: str | None


# probes and models


class Live(Struct, kw_only=True):
    """The process answers."""

    live: bool


class Ready(Struct, kw_only=True):
    """The models that answer."""

    ready: bool
    models: list[str]


class ModelObject(Struct, kw_only=True):
    """OpenAI's model object, and what we know besides."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    task: str
    kind: str
    answers: list[str]
    labels: list[str]
    precision: str
    device: str
    max_length: int
    dimensions: int | None
    routes: list[str]


class ModelList(Struct, kw_only=True):
    """All loaded models."""

    object: Literal["list"]
    data: list[ModelObject]


# admin


class LoadRequest(Strict):
    """What to load: a folder of the repository, or again what the name stands for."""

    name: str
    bundle: str | None = None
    precision: Literal["fp32", "fp16", "int8"] | None = None


class Unloaded(Struct, kw_only=True):
    """OpenAI's answer to a deletion."""

    id: str
    object: Literal["model"]
    deleted: bool


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Read a JSON body.

    Raises:
        Problem: 400, naming the place and the rule.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        message = str(error)
        param = param_of(message)
        raise Problem(400, "invalid_field", message, param) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        what = "the body is empty" if not body.strip() else str(error)
        raise Problem(400, "invalid_json", f"not JSON: {what}") from None
    except RecursionError:
        raise Problem(400, "invalid_json", "not JSON we read: nested too deeply") from None


def param_of(message: str) -> str | None:
    """The field that msgspec's message names: of its path, or the missing or unknown one."""
    text, _, path = message.rpartition(" - at `$")
    if not text:
        text, path = message, ""
    first = path.strip("`").lstrip(".").split(".")[0].split("[")[0]
    if first:
        return first
    for start in ("Object missing required field `", "Object contains unknown field `"):
        if text.startswith(start):
            return text[len(start) :].split("`")[0]
    return None


def decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    """A decoder of a request type; made once."""
    return msgspec.json.Decoder(kind)
