"""Requests and answers of OpenAI's routes, of probes and of loading models."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from xlt.serve.request.schemas import (
    Answer,
    AnyTruncate,
    InputType,
    ModelName,
    MostTokens,
    Strict,
    Texts,
    Usage,
)

__all__ = [
    "Embedding",
    "EmbeddingsRequest",
    "EmbeddingsResponse",
    "InfinityClassified",
    "InfinityClassifyRequest",
    "InfinityModel",
    "InfinityModels",
    "InfinityScore",
    "InfinityStats",
    "Live",
    "LoadRequest",
    "ModelList",
    "ModelObject",
    "Ready",
    "Unloaded",
]


class EmbeddingsRequest(Strict):
    """OpenAI's embeddings request."""

    input: Annotated[
        str | list[str | int | list[int]],
        Meta(
            description="A text or texts; with `token_ids` also token ids, or lists of them, of "
            "the model's own tokenizer."
        ),
    ]
    model: ModelName = None
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[
        int | None, Meta(description="Only where the model declares that it can be cut.")
    ] = None
    output_dimension: Annotated[
        int | None, Meta(description="The same as `dimensions`, in the words of other vendors.")
    ] = None
    user: str | None = None
    truncate: AnyTruncate = None
    truncate_prompt_tokens: MostTokens = None
    modality: Literal["text"] | None = None
    input_type: InputType = None
    prompt_name: Annotated[
        str | None, Meta(description="Which of the model's prompts to put before every text.")
    ] = None
    token_ids: Annotated[
        bool, Meta(description="That `input` holds ids of the model's own tokenizer.")
    ] = False


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


# infinity


class InfinityClassifyRequest(Strict):
    """Texts to classify."""

    input: Texts
    model: ModelName = None
    raw_scores: bool = False


class InfinityScore(Struct, kw_only=True):
    """A class and its score."""

    label: str
    score: float


class InfinityClassified(Struct, kw_only=True):
    """Classes of each text, best first."""

    object: Literal["classify"]
    model: str
    data: list[list[InfinityScore]]
    usage: Usage


class InfinityStats(Struct, kw_only=True):
    """How full the server is."""

    queue_fraction: float
    queue_absolute: int
    results_pending: int
    batch_size: int


class InfinityModel(Struct, kw_only=True):
    """A model, in infinity's words."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: Literal["infinity"]
    backend: str
    capabilities: list[str]
    stats: InfinityStats


class InfinityModels(Struct, kw_only=True):
    """All loaded models."""

    object: Literal["list"]
    data: list[InfinityModel]


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
    precision: Literal["fp32", "fp16", "int8", "int8-vnni"] | None = None


class Unloaded(Struct, kw_only=True):
    """OpenAI's answer to a deletion."""

    id: str
    object: Literal["model"]
    deleted: bool
