"""Requests and answers of Cohere's routes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from xlt.serve.limits import MAX_ITEMS
from xlt.serve.request.schemas import Answer, InputType, ModelName, Strict, Text, Texts, Usage

__all__ = [
    "ByType",
    "CohereEmbedRequest",
    "CohereEmbedV2Request",
    "CohereEmbedded",
    "CohereEmbeddedFloats",
    "CohereInput",
    "CohereMeta",
    "CohereRanked",
    "CohereRerankRequest",
    "CohereReranked",
    "CohereText",
]

Cut = Literal["END", "START", "NONE"]
Types = Annotated[list[Literal["float", "base64"]], Meta(min_length=1)]


class CohereEmbedRequest(Strict):
    """Texts to embed, v1."""

    texts: Texts
    model: ModelName = None
    input_type: InputType = None
    embedding_types: Types | None = None
    truncate: Cut | None = None


class CohereText(Strict):
    """A part of an input."""

    type: Literal["text"]
    text: Text


class CohereInput(Strict):
    """An input in parts; one text is taken."""

    content: Annotated[list[CohereText], Meta(min_length=1, max_length=1)]


class CohereEmbedV2Request(Strict):
    """Texts to embed, v2: `texts`, or `inputs`."""

    texts: Texts | None = None
    inputs: Annotated[list[CohereInput], Meta(min_length=1, max_length=MAX_ITEMS)] | None = None
    model: ModelName = None
    input_type: InputType = None
    embedding_types: Types | None = None
    output_dimension: int | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    truncate: Cut | None = None
    priority: int | None = None


class CohereMeta(Struct, kw_only=True):
    """Version of the protocol, and what was computed."""

    api_version: dict[str, str]
    billed_units: dict[str, int]


class ByType(Answer):
    """Vectors of length 1 as numbers, or as base64 of little-endian float32."""

    floats: list[list[float]] | None = field(name="float", default=None)
    base64: list[str] | None = None


class CohereEmbedded(Struct, kw_only=True):
    """Vectors by type, in the order of the texts."""

    response_type: Literal["embeddings_by_type"]
    id: str
    embeddings: ByType
    texts: list[str]
    meta: CohereMeta


class CohereEmbeddedFloats(Struct, kw_only=True):
    """Vectors of v1, in the order of the texts."""

    response_type: Literal["embeddings_floats"]
    id: str
    embeddings: list[list[float]]
    texts: list[str]
    meta: CohereMeta


class CohereRerankRequest(Strict):
    """A query and documents: texts, or objects that have a `text`."""

    query: Text
    documents: Annotated[list[Text | dict[str, Any]], Meta(min_length=1, max_length=MAX_ITEMS)]
    model: ModelName = None
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool = False
    rank_fields: list[Literal["text"]] | None = None
    max_chunks_per_doc: Annotated[
        Literal[1] | None, Meta(description="Documents are cut, not read in chunks.")
    ] = None
    max_tokens_per_doc: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="At least what the model reads, where documents are cut in any case."),
    ] = None
    priority: int | None = None


class CohereRanked(Answer):
    """A document's place in the request and its cosine with the query."""

    index: int
    relevance_score: float
    document: dict[str, Any] | None = None


class CohereReranked(Struct, kw_only=True):
    """Best first."""

    id: str
    object: Literal["rerank"]
    model: str
    results: list[CohereRanked]
    meta: CohereMeta
    usage: Usage
