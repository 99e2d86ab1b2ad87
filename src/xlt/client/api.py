"""A thin client of `xlt serve`: one method a route, typed records back; no server package needed.

    client = xlt.Client("http://127.0.0.1:8080")
    client.classify([("The cat sleeps.", "An animal rests.")])[0].label

Places in texts are code points, probabilities and cosines are 0..1 and -1..1, as the server has
them. Each method takes `model` where the server holds several that fit.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from xlt.client.http import Transport, Unavailable
from xlt.client.records import (
    Answer,
    Answered,
    Chosen,
    Classified,
    Entity,
    Match,
    Model,
    PartlyFailed,
    Ranked,
    Tagged,
    Word,
    record,
)

__all__ = [
    "Answer",
    "Answered",
    "Chosen",
    "Classified",
    "Client",
    "Entity",
    "Match",
    "Model",
    "PartlyFailed",
    "Ranked",
    "Tagged",
    "Unavailable",
    "Word",
]

Truncate = Literal["right", "left", "error"]
R = TypeVar("R")
T = TypeVar("T")


class Client:
    """Asks a running `xlt serve`. Threads may share a client; `close` it, or use it in a `with`.

    Tries again on lost connections, 408, 409, 429 and 5xx, after the pause that the server asks
    for. Every error is an `XltError` with a message and a hint.

    Args:
        url: as `xlt serve` prints it; `unix:/path` for a Unix socket.
        key: API key, where the server wants one.
        timeout: seconds that one try may wait; the server is told and drops late work.
        retries: further tries after a failed one.
        tls: context for https with certificates of your own.

    Raises:
        UsageError: the address or a number is not one.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8080",
        key: str | None = None,
        *,
        timeout: float = 60.0,
        retries: int = 2,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._http = Transport(url, key, timeout=timeout, retries=retries, tls=tls)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self._http.url!r})"  # never the key

    def close(self) -> None:
        """Close the idle connections."""
        self._http.close()

    def classify(
        self,
        inputs: Sequence[str | tuple[str, str]],
        *,
        model: str | None = None,
        truncate: Truncate | None = None,
    ) -> list[Classified]:
        """Labels of texts, or of pairs of texts (premise, hypothesis).

        Raises:
            PartlyFailed: the model failed on some inputs.
            XltError: the request failed; see `Transport.call`.
        """
        sent = [
            value if isinstance(value, str) else {"text": value[0], "text_pair": value[1]}
            for value in _listed(inputs)
        ]
        body = _body(inputs=sent, model=model, truncate=truncate)
        return self._results("/v1/classify", body, lambda entry: record(Classified, entry))

    def choose(
        self,
        questions: Sequence[tuple[str, Sequence[str]]],
        *,
        model: str | None = None,
        truncate: Truncate | None = None,
    ) -> list[Chosen]:
        """The likeliest of the choices for each (prompt, choices).

        Raises:
            PartlyFailed: the model failed on some inputs.
            XltError: the request failed; see `Transport.call`.
        """
        sent = [{"prompt": prompt, "choices": list(choices)} for prompt, choices in questions]
        body = _body(inputs=sent, model=model, truncate=truncate)
        return self._results("/v1/choose", body, lambda entry: record(Chosen, entry))

    def tag(
        self,
        inputs: Sequence[str | Sequence[str]],
        *,
        aggregation: Literal["none", "first", "max"] = "first",
        model: str | None = None,
    ) -> list[Tagged]:
        """Tags of the words of texts, or of sentences given as lists of words.

        Raises:
            PartlyFailed: the model failed on some inputs.
            XltError: the request failed; see `Transport.call`.
        """
        sent = [value if isinstance(value, str) else list(value) for value in _listed(inputs)]
        body = _body(inputs=sent, model=model, aggregation=aggregation)

        def tagged(entry: Mapping[str, Any]) -> Tagged:
            return Tagged(
                words=[record(Word, word) for word in entry["words"]],
                entities=[record(Entity, entity) for entity in entry.get("entities", [])],
            )

        return self._results("/v1/tag", body, tagged)

    def answer(
        self, questions: Sequence[tuple[str, str]], *, top_k: int = 1, model: str | None = None
    ) -> list[Answered]:
        """Answers to (question, context), with up to `top_k` (1..20) slices of the context each.

        Raises:
            PartlyFailed: the model failed on some inputs.
            XltError: the request failed; see `Transport.call`.
        """
        sent = [{"question": question, "context": context} for question, context in questions]
        body = _body(inputs=sent, model=model, top_k=top_k)

        def answered(entry: Mapping[str, Any]) -> Answered:
            return Answered(
                answerable=entry["answerable"],
                answers=[record(Answer, span) for span in entry["answers"]],
                null_score=entry.get("null_score"),
            )

        return self._results("/v1/answer", body, answered)

    def embed(
        self,
        texts: Sequence[str],
        *,
        dimensions: int | None = None,
        model: str | None = None,
        truncate: Truncate | None = None,
    ) -> NDArray[np.float32]:
        """Vectors of length 1, float32 (N, D), exactly as the server computed them.

        Args:
            texts: at most 2,048.
            dimensions: cut the vectors, where the model declares that it can be.
            model: which one, where several fit.
            truncate: which end of a long text is cut, or "error".

        Raises:
            XltError: the request failed; see `Transport.call`.
        """
        body = _body(
            input=_listed(texts),
            encoding_format="base64",
            dimensions=dimensions,
            model=model,
            truncate=truncate,
        )
        data = self._http.call("POST", "/v1/embeddings", body)["data"]
        rows = [np.frombuffer(base64.b64decode(entry["embedding"]), "<f4") for entry in data]
        return np.stack(rows).astype(np.float32)

    def similarity(
        self,
        sources: Sequence[str],
        targets: Sequence[str] | None = None,
        *,
        model: str | None = None,
        truncate: Truncate | None = None,
    ) -> NDArray[np.float64]:
        """Cosines (N, M) of the sources with the targets, or with one another.

        Raises:
            XltError: the request failed; see `Transport.call`.
        """
        body = _body(
            sources=_listed(sources),
            targets=None if targets is None else _listed(targets),
            model=model,
            truncate=truncate,
        )
        return np.array(self._http.call("POST", "/v1/similarity", body)["scores"], np.float64)

    def rerank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        top_n: int | None = None,
        model: str | None = None,
        truncate: Truncate | None = None,
    ) -> list[Ranked]:
        """The documents by their cosine with the query, best first.

        Raises:
            XltError: the request failed; see `Transport.call`.
        """
        body = _body(
            query=query,
            documents=_listed(documents),
            top_n=top_n,
            model=model,
            truncate=truncate,
        )
        found = self._http.call("POST", "/v1/rerank", body)["results"]
        return [record(Ranked, entry) for entry in found]

    def bitext(
        self,
        sources: Sequence[str],
        targets: Sequence[str],
        *,
        margin: Literal["ratio", "distance", "absolute"] = "ratio",
        k: int = 4,
        retrieval: Literal["max", "intersect", "forward", "backward"] = "max",
        threshold: float | None = None,
        model: str | None = None,
        truncate: Truncate | None = None,
    ) -> list[Match]:
        """Sentences of two languages that translate each other, best first.

        Args:
            sources: sentences of one language.
            targets: sentences of the other.
            margin: how a pair is held against its `k` neighbours on both sides.
            k: neighbours, 1..64.
            retrieval: which pairs are proposed.
            threshold: only scores above it.
            model: which one, where several fit.
            truncate: which end of a long text is cut, or "error".

        Raises:
            XltError: the request failed; see `Transport.call`.
        """
        body = _body(
            sources=_listed(sources),
            targets=_listed(targets),
            margin=margin,
            k=k,
            retrieval=retrieval,
            threshold=threshold,
            model=model,
            truncate=truncate,
        )
        found = self._http.call("POST", "/v1/bitext", body)["matches"]
        return [record(Match, entry) for entry in found]

    def models(self) -> list[Model]:
        """What the server has loaded.

        Raises:
            XltError: the request failed; see `Transport.call`.
        """
        return [record(Model, entry) for entry in self._http.call("GET", "/v1/models")["data"]]

    def ready(self) -> bool:
        """Whether the server is there and answers requests now; asks once and never raises."""
        return self._http.probe("/health/ready") == 200

    def _results(
        self, path: str, body: Mapping[str, Any], read: Callable[[Mapping[str, Any]], R]
    ) -> list[R]:
        data = self._http.call("POST", path, body)["data"]
        errors = {e["index"]: e["error"]["message"] for e in data if e.get("error")}
        if not errors:
            return [read(entry) for entry in data]
        first = min(errors)
        raise PartlyFailed(
            f"{len(errors)} of {len(data)} inputs failed; input {first}: {errors[first]}",
            "`results` of this error holds the others, `errors` what happened",
            [None if entry["index"] in errors else read(entry) for entry in data],
            errors,
        )


def _body(**fields: Any) -> dict[str, Any]:
    """A request without what was left out."""
    return {name: value for name, value in fields.items() if value is not None}


def _listed(inputs: Sequence[T]) -> list[T | str]:
    """A list; one text alone means itself, not its letters."""
    return [inputs] if isinstance(inputs, str) else list(inputs)
