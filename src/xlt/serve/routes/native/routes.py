"""Our own routes: classify, choose, tag, answer, similarity, rerank, bitext.

List answers carry one entry an input, in order; an input the model failed on has an `error` there
and the others are whole. When all inputs failed, so does the request.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from xlt.core.encode.words import split_words
from xlt.core.retrieval import mining
from xlt.core.tasks.examples import Choice, Pair, Question, Tagged
from xlt.serve.compute.vitals import RowFault
from xlt.serve.http.bodies import Reply
from xlt.serve.request.call import Call
from xlt.serve.request.entities import entities_of
from xlt.serve.request.operation import Operation
from xlt.serve.request.ranking import ranked
from xlt.serve.request.reading import Reading, side_of
from xlt.serve.request.result import Result, fault_fields
from xlt.serve.request.schemas import decode, decoder
from xlt.serve.request.vectors import check_count, comparable, cosines, fragment
from xlt.serve.routes.native import retrieval
from xlt.serve.routes.native import types as schemas

__all__ = ["ALSO", "OPERATIONS"]

CLASSIFY = decoder(schemas.ClassifyRequest)
CHOOSE = decoder(schemas.ChooseRequest)
TAG = decoder(schemas.TagRequest)
ANSWER = decoder(schemas.AnswerRequest)
SIMILARITY = decoder(retrieval.SimilarityRequest)
RERANK = decoder(retrieval.RerankRequest)
BITEXT = decoder(retrieval.BitextRequest)


async def classify(call: Call) -> Reply:
    """Labels of texts or pairs."""
    request = decode(CLASSIFY, await call.body())
    model = call.state.pick(request.model, "pair")
    items = [
        Pair(id="", text_a=value)
        if isinstance(value, str)
        else Pair(id="", text_a=value.text, text_b=value.text_pair)
        for value in request.inputs
    ]
    result = await call.compute(model, items, truncate=request.truncate)
    labels = model.bundle.task.labels

    def entry(index: int) -> dict[str, Any]:
        label = result.predictions[index]
        probabilities = label.probabilities.tolist()
        return {
            "index": index,
            "label": label.label,
            "score": probabilities[label.index],
            "scores": dict(zip(labels, probabilities, strict=True)),
            **_cut(result, index),
        }

    return await _listed(call, result, entry)


async def choose(call: Call) -> Reply:
    """The likeliest choice for each prompt."""
    request = decode(CHOOSE, await call.body())
    model = call.state.pick(request.model, "choice")
    items = [Choice(id="", prompt=q.prompt, choices=tuple(q.choices)) for q in request.inputs]
    result = await call.compute(model, items, truncate=request.truncate)

    def entry(index: int) -> dict[str, Any]:
        picked = result.predictions[index]
        probabilities = picked.probabilities.tolist()
        return {
            "index": index,
            "choice": picked.index,
            "text": items[index].choices[picked.index],
            "score": probabilities[picked.index],
            "scores": probabilities,
            **_cut(result, index),
        }

    return await _listed(call, result, entry)


async def tag(call: Call) -> Reply:
    """A tag for each word, and entities."""
    request = decode(TAG, await call.body())
    model = call.state.pick(request.model, "tag")
    words = await call.prepare(
        lambda: [
            split_words(value) if isinstance(value, str) else [(word, None, None) for word in value]
            for value in request.inputs
        ]
    )
    items = [Tagged(id="", words=tuple(word for word, _, _ in sentence)) for sentence in words]
    result = await call.compute(model, items)

    def entry(index: int) -> dict[str, Any]:
        tags = result.predictions[index]
        scores = tags.scores.tolist()
        found = []
        for (word, start, end), label, score in zip(words[index], tags.tags, scores, strict=True):
            found.append({"word": word, "tag": label, "score": score})
            if start is not None:
                found[-1].update(start=start, end=end)
        value = request.inputs[index]
        text = value if isinstance(value, str) else None
        answer: dict[str, Any] = {"index": index, "words": found}
        if request.aggregation != "none":
            answer["entities"] = entities_of(found, text, request.aggregation)
        return answer

    return await _listed(call, result, entry)


async def answer(call: Call) -> Reply:
    """Answers to questions, as slices of their contexts."""
    request = decode(ANSWER, await call.body())
    model = call.state.pick(request.model, "span")
    items = [Question(id="", question=q.question, context=q.context) for q in request.inputs]
    result = await call.compute(model, items)

    def entry(index: int) -> dict[str, Any]:
        best = result.predictions[index]
        value: dict[str, Any] = {
            "index": index,
            "answerable": bool(best.text),
            "answers": [
                {
                    "text": span.text,
                    "start": span.start,
                    "end": span.end,
                    "score": span.score,
                    "probability": span.probability,
                }
                for span in best.n_best[: request.top_k]
            ],
        }
        if best.null_score is not None:
            value["null_score"] = best.null_score
        return value

    return await _listed(call, result, entry)


async def similarity(call: Call) -> Reply:
    """Cosines of two lists of texts."""
    request = decode(SIMILARITY, await call.body())
    check_count(len(request.sources) + len(request.targets or []))
    model = call.state.pick(request.model, "embed")
    n_sources = len(request.sources)
    texts = request.sources + (request.targets or [])
    result = await call.compute(model, texts, truncate=request.truncate)
    vectors = comparable(result, texts)

    def body() -> bytes:
        targets = vectors[n_sources:] if request.targets else vectors
        scores = cosines(vectors[:n_sources], targets).astype(np.float32)
        return _json("similarity", result, scores=[fragment(row) for row in scores])

    return Reply(body=await call.render(body, len(texts)))


async def rerank(call: Call) -> Reply:
    """Documents by their cosine with a query, which has no other form with `raw_scores`.

    litellm sends one body for four protocols, and reads a `document` of the answer as text for
    some and as an object for others; it gets none, and has the documents by their index.
    """
    request = decode(RERANK, await call.body())
    model = call.state.pick(request.model, "embed")
    reading = Reading(
        truncate=side_of(request.truncate), most_tokens=request.truncate_prompt_tokens
    )
    result, found = await ranked(call, model, request.query, request.documents, reading)
    echo = request.return_documents and not (call.header("user-agent") or "").startswith("litellm/")
    results: list[dict[str, Any]] = []
    for index, score in found[: request.top_n]:
        results.append({"index": index, "relevance_score": score})
        if echo:
            results[-1]["document"] = request.documents[index]
    return Reply(body=_json("rerank", result, results=results))


async def bitext(call: Call) -> Reply:
    """Sentences of two lists that are each other's translation."""
    request = decode(BITEXT, await call.body())
    check_count(len(request.sources) + len(request.targets))
    model = call.state.pick(request.model, "embed")
    n_sources = len(request.sources)
    texts = request.sources + request.targets
    result = await call.compute(model, texts, truncate=request.truncate)
    vectors = comparable(result, texts)

    def body() -> bytes:
        found = mining.candidates(
            vectors[:n_sources],
            vectors[n_sources:],
            texts_x=request.sources,
            texts_y=request.targets,
            k=request.k,
            margin=request.margin,
            retrieval=request.retrieval,
            threshold=request.threshold,
        )
        matches = [
            {"source": pair.i, "target": pair.j, "score": pair.score}
            for pair in sorted(found, key=lambda pair: (-pair.score, pair.i, pair.j))
        ]
        return _json("bitext", result, matches=matches)

    return Reply(body=await call.render(body, len(texts)))


def _cut(result: Result, index: int) -> dict[str, bool]:
    return {"truncated": True} if result.truncated[index] else {}


async def _listed(call: Call, result: Result, entry: Any) -> Reply:
    """A list answer; failed items carry their error."""
    predictions = result.predictions
    if all(isinstance(prediction, RowFault) for prediction in predictions):
        result.whole()

    def body() -> bytes:
        data = [
            {"index": index, "error": fault_fields(prediction)}
            if isinstance(prediction, RowFault)
            else entry(index)
            for index, prediction in enumerate(predictions)
        ]
        return _json("list", result, data=data)

    return Reply(body=await call.render(body, len(predictions)))


def _json(kind: str, result: Result, **parts: Any) -> bytes:
    head: dict[str, Any] = {"object": kind, "model": result.model.name}
    if kind != "list":
        head["truncated"] = result.n_truncated
    return orjson.dumps({**head, **parts, "usage": result.usage}, option=orjson.OPT_SERIALIZE_NUMPY)


OPERATIONS: list[Operation[Call]] = [
    Operation(
        method="POST", path="/v1/classify", handler=classify, name="classify", group="tasks",
        summary="Classify texts or pairs of texts.", kinds=("pair",),
        request=schemas.ClassifyRequest, response=schemas.ClassifyResponse,
        example={
            "inputs": [{"text": "The cat sleeps.", "text_pair": "An animal rests."}],
        },
    ),
    Operation(
        method="POST", path="/v1/choose", handler=choose, name="choose", group="tasks",
        summary="Pick the likeliest continuation of a prompt.", kinds=("choice",),
        request=schemas.ChooseRequest, response=schemas.ChooseResponse,
        example={
            "inputs": [{"prompt": "It rains, so she takes", "choices": ["an umbrella", "a nap"]}],
        },
    ),
    Operation(
        method="POST", path="/v1/tag", handler=tag, name="tag", group="tasks",
        summary="Tag words, and find entities.", kinds=("tag",),
        request=schemas.TagRequest, response=schemas.TagResponse,
        example={"inputs": ["Ada Lovelace lived in London.", ["Ada", "lives"]]},
    ),
    Operation(
        method="POST", path="/v1/answer", handler=answer, name="answer", group="tasks",
        summary="Find the answer to a question in a context.", kinds=("span",),
        request=schemas.AnswerRequest, response=schemas.AnswerResponse,
        example={
            "inputs": [{"question": "Who slept?", "context": "The cat slept on the mat."}],
            "top_k": 3,
        },
    ),
    Operation(
        method="POST", path="/v1/similarity", handler=similarity, name="similarity",
        group="retrieval", summary="Cosines between two lists of texts.", kinds=("embed",),
        request=retrieval.SimilarityRequest, response=retrieval.SimilarityResponse,
        example={"sources": ["Good morning."], "targets": ["Guten Morgen.", "Good night."]},
    ),
    Operation(
        method="POST", path="/v1/rerank", handler=rerank, name="rerank", group="retrieval",
        summary="Put documents in order by their cosine with a query.", kinds=("embed",),
        request=retrieval.RerankRequest, response=retrieval.RerankResponse,
        example={"query": "pets", "documents": ["A cat sleeps.", "Taxes rose."], "top_n": 1},
    ),
    Operation(
        method="POST", path="/v1/bitext", handler=bitext, name="bitext", group="retrieval",
        summary="Match sentences of two languages by margin.", kinds=("embed",),
        request=retrieval.BitextRequest, response=retrieval.BitextResponse,
        example={
            "sources": ["Guten Morgen.", "Gute Nacht."],
            "targets": ["Good night.", "Good morning."],
        },
    ),
]  # fmt: skip
ALSO: list[Operation[Call]] = [  # where infinity and vLLM have it
    Operation(
        method="POST", path="/rerank", handler=rerank, name="rerank_root", group="retrieval",
        summary="Put documents in order by their cosine with a query.", kinds=("embed",),
        request=retrieval.RerankRequest, response=retrieval.RerankResponse,
        example={"query": "pets", "documents": ["A cat sleeps.", "Taxes rose."], "top_n": 1},
        takes=lambda peek: peek.has("documents"),
    ),
]  # fmt: skip
