"""Requests and answers of text-embeddings-inference; unknown fields are ignored, as it does."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from xlt.serve.limits import MAX_ITEMS
from xlt.serve.request.schemas import Answer, ModelName, Text, Texts

__all__ = [
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
