"""Requests and answers of our own routes of retrieval: similarity, rerank, bitext."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from xlt.serve.request.schemas import (
    Answer,
    AnyTruncate,
    ModelName,
    MostTokens,
    Strict,
    Text,
    Texts,
    Truncate,
    Usage,
)

__all__ = [
    "BitextRequest",
    "BitextResponse",
    "Match",
    "Ranked",
    "RerankRequest",
    "RerankResponse",
    "SimilarityRequest",
    "SimilarityResponse",
]


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
    raw_scores: Annotated[
        bool, Meta(description="Scores are cosines, which have no other form.")
    ] = False
    truncate: AnyTruncate = None
    truncate_prompt_tokens: MostTokens = None
    user: str | None = None


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
