"""Requests and answers of text-embeddings-inference; unknown fields are ignored, as it does."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from xlt.serve.limits import MAX_ITEMS
from xlt.serve.request.schemas import Answer, ModelName, Strict, Text, Texts

__all__ = [
    "HubAnswer",
    "HubAnswersParameters",
    "HubAnswersRequest",
    "HubClassesParameters",
    "HubClassesRequest",
    "HubPair",
    "HubPairRequest",
    "HubQuestion",
    "HubTag",
    "HubTagsParameters",
    "HubTagsRequest",
    "TeiDecodeRequest",
    "TeiEmbedAllRequest",
    "TeiEmbedRequest",
    "TeiInfo",
    "TeiPredictRequest",
    "TeiRank",
    "TeiRerankRequest",
    "TeiScore",
    "TeiSentences",
    "TeiSimilarityParameters",
    "TeiSimilarityRequest",
    "TeiToken",
    "TeiTokenizeRequest",
]


Side = Annotated[
    str,
    Meta(pattern="^([Rr]ight|[Ll]eft)$", description="Which end is cut: right or left."),
]


class TeiEmbedRequest(Struct, kw_only=True):
    """TEI's embed request."""

    inputs: str | list[str | int | list[int]]
    truncate: bool | None = None
    truncation_direction: Side = "right"
    normalize: bool | None = True
    prompt_name: str | None = None
    dimensions: int | None = None
    encoding_format: Literal["float"] | None = None
    model: ModelName = None


class TeiEmbedAllRequest(Struct, kw_only=True):
    """TEI's request for the vectors of all tokens."""

    inputs: str | list[str | int | list[int]]
    truncate: bool | None = None
    truncation_direction: Side = "right"
    prompt_name: str | None = None
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


class HubQuestion(Struct, kw_only=True):
    """A question about a context."""

    question: Text
    context: Text


class HubPair(Struct, kw_only=True):
    """One text, or two."""

    text: Text
    text_pair: Text | None = None


class HubAnswersParameters(Strict):
    """What can be said of answers; the rest of the task's parameters has one value here."""

    top_k: Annotated[int, Meta(ge=1, le=20)] | None = None
    handle_impossible_answer: bool | None = None
    align_to_words: bool | None = None


class HubClassesParameters(Strict):
    """How scores of classes are made, and how many are given."""

    function_to_apply: Literal["softmax", "sigmoid", "none"] | None = None
    top_k: Annotated[int, Meta(ge=1)] | None = None


class HubTagsParameters(Strict):
    """How words are put together; tags are those of words, by their first sub-word."""

    aggregation_strategy: Literal["none", "simple", "first"] | None = None
    ignore_labels: list[str] | None = None


class HubAnswersRequest(Struct, kw_only=True):
    """Hugging Face's question answering."""

    inputs: HubQuestion
    parameters: HubAnswersParameters | None = None
    model: ModelName = None


class HubPairRequest(Struct, kw_only=True):
    """Hugging Face's text classification of a pair."""

    inputs: HubPair
    parameters: HubClassesParameters | None = None
    model: ModelName = None


class HubClassesRequest(Struct, kw_only=True):
    """Hugging Face's text classification."""

    inputs: Text | Texts
    parameters: HubClassesParameters
    model: ModelName = None


class HubTagsRequest(Struct, kw_only=True):
    """Hugging Face's token classification."""

    inputs: Text | Texts
    parameters: HubTagsParameters | None = None
    model: ModelName = None


class HubAnswer(Struct, kw_only=True):
    """An answer: a slice of the context, in code points, and its probability."""

    answer: str
    score: float
    start: int
    end: int


class HubTag(Answer):
    """A word with its tag, or several with the type of their group."""

    score: float
    word: str
    start: int
    end: int
    entity: str | None = None
    entity_group: str | None = None


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
