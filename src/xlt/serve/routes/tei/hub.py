"""`POST /`: TEI's default route, and the shapes of Hugging Face's tasks.

`InferenceClient(model=ADDRESS)` sends all its tasks there; the form of the inputs, the fields and
the loaded models say which it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import orjson

from xlt.core.encode.words import split_words
from xlt.core.tasks.examples import Pair, Question, Tagged
from xlt.serve.errors import Problem
from xlt.serve.http.bodies import Reply
from xlt.serve.request.call import Call
from xlt.serve.request.operation import Operation
from xlt.serve.request.result import Result
from xlt.serve.request.schemas import decode, decoder
from xlt.serve.routes.tei import types as schemas
from xlt.serve.routes.tei.classes import predict, scores_of
from xlt.serve.routes.tei.form import invalid, named, operation
from xlt.serve.routes.tei.routes import embed, rerank, similarity

__all__ = ["OPERATIONS", "groups_of"]

ANY = msgspec.json.Decoder(dict[str, Any])
ANSWERS = decoder(schemas.HubAnswersRequest)
CLASSES = decoder(schemas.HubClassesRequest)
PAIR = decoder(schemas.HubPairRequest)
TAGS = decoder(schemas.HubTagsRequest)
EMBED_FIELDS = frozenset({"normalize", "prompt_name", "dimensions", "encoding_format"})
CLASS_FIELDS = frozenset({"raw_scores"})
CLASS_PARAMETERS = frozenset({"function_to_apply", "top_k"})
TAG_PARAMETERS = frozenset({"aggregation_strategy", "ignore_labels", "stride"})
SCHEMES = ("B-", "I-", "E-", "S-")


async def task(call: Call) -> Reply:
    """Whatever task the body is for."""
    body = decode(ANY, await call.body())
    inputs = body.get("inputs")
    if "query" in body or "texts" in body:
        return await rerank(call)
    if isinstance(inputs, dict):
        return await _of_object(call, inputs)
    name = body.get("model")
    if inputs is None or not (name is None or isinstance(name, str)):
        raise invalid("inputs is needed; model is a name", "inputs" if inputs is None else "model")
    model = call.state.pick(named(call, name), *_kinds_of(body, inputs))
    handler = _handler(model.kind, hub="parameters" in body)
    return await handler(call)


async def _of_object(call: Call, inputs: dict[str, Any]) -> Reply:
    if "source_sentence" in inputs:
        return await similarity(call)
    if "question" in inputs:
        return await answer(call)
    if "text" in inputs:
        return await classify_pair(call)
    raise invalid(
        "inputs is a text, a list, or an object with question and context, source_sentence and "
        "sentences, or text and text_pair",
        "inputs",
    )


def _kinds_of(body: dict[str, Any], inputs: Any) -> list[str]:
    """Kinds of models that texts with these fields may be meant for."""
    parameters = body.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise invalid("parameters is no object", "parameters")
    kinds = {"embed", "pair", "tag"}
    if EMBED_FIELDS & body.keys():
        kinds &= {"embed"}
    if CLASS_FIELDS & body.keys():
        kinds &= {"pair"}
    if parameters is not None:  # the fields of embeddings stand beside the inputs
        kinds -= {"embed"}
        if TAG_PARAMETERS & parameters.keys():
            kinds &= {"tag"}
        if CLASS_PARAMETERS & parameters.keys():
            kinds &= {"pair"}
    if isinstance(inputs, list) and inputs:
        if isinstance(inputs[0], int):
            kinds &= {"embed"}
        elif isinstance(inputs[0], list):
            kinds &= {"embed"} if inputs[0] and isinstance(inputs[0][0], int) else {"pair"}
    if not kinds:
        raise invalid("the fields belong to several tasks", "parameters")
    return sorted(kinds)


def _handler(kind: str, *, hub: bool) -> Callable[[Call], Awaitable[Reply]]:
    if kind == "embed":
        return embed
    if kind == "tag":
        return tag
    return classify if hub else predict


async def classify(call: Call) -> Reply:
    """Classes of each text, best first: always a list of lists."""
    request = decode(CLASSES, await call.body())
    texts = [request.inputs] if isinstance(request.inputs, str) else request.inputs
    pairs = [Pair(id="", text_a=text) for text in texts]
    return await _classified(call, pairs, named(call, request.model), request.parameters)


async def classify_pair(call: Call) -> Reply:
    """Classes of a pair, best first: a list of one list."""
    request = decode(PAIR, await call.body())
    pair = Pair(id="", text_a=request.inputs.text, text_b=request.inputs.text_pair)
    parameters = request.parameters or schemas.HubClassesParameters()
    return await _classified(call, [pair], named(call, request.model), parameters)


async def _classified(
    call: Call, pairs: list[Pair], name: str | None, parameters: schemas.HubClassesParameters
) -> Reply:
    model = call.state.pick(name, "pair")
    result = await call.compute(model, pairs)
    result.whole()
    function = parameters.function_to_apply or "softmax"

    def body() -> bytes:
        return orjson.dumps(
            [scores_of(result, i, function)[: parameters.top_k] for i in range(len(pairs))]
        )

    return Reply(body=await call.render(body, len(pairs)))


async def tag(call: Call) -> Reply:
    """Words with their tags, or groups of them: a list, or for several texts a list of lists."""
    request = decode(TAGS, await call.body())
    model = call.state.pick(named(call, request.model), "tag")
    single = isinstance(request.inputs, str)
    texts = [request.inputs] if isinstance(request.inputs, str) else request.inputs
    words = await call.prepare(lambda: [split_words(text) for text in texts])
    items = [Tagged(id="", words=tuple(word for word, _, _ in sentence)) for sentence in words]
    result = await call.compute(model, items)
    result.whole()
    parameters = request.parameters or schemas.HubTagsParameters()
    alone = parameters.aggregation_strategy == "none"
    ignored = frozenset(["O"] if parameters.ignore_labels is None else parameters.ignore_labels)

    def found(index: int) -> list[dict[str, Any]]:
        tags = result.predictions[index]
        runs = (
            [(label, place, place) for place, label in enumerate(tags.tags)]
            if alone
            else groups_of(tags.tags)
        )
        key = "entity" if alone else "entity_group"
        entries = []
        for label, first, last in runs:
            if label not in ignored:
                start, end = words[index][first][1], words[index][last][2]
                scores = tags.scores[first : last + 1]
                part = {"word": texts[index][start:end], "start": start, "end": end}
                entries.append({key: label, "score": float(scores.mean()), **part})
        return entries

    def body() -> bytes:
        answers = [found(index) for index in range(len(texts))]
        return orjson.dumps(answers[0] if single else answers)

    return Reply(body=await call.render(body, len(texts)))


def groups_of(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """Runs (type, first, last) of words with one type, as transformers' pipeline groups them.

    `B-` and `S-` begin a run, `E-` and `S-` end it. Tags without a prefix are types: neighbours
    of one part of speech are one run, and so are those outside of all entities.
    """
    runs: list[tuple[str, int, int]] = []
    ended = True
    for place, tag in enumerate(tags):
        scheme = tag[:2] if tag.startswith(SCHEMES) else ""
        kind = tag.rpartition("-")[2] if scheme else tag
        if ended or scheme in ("B-", "S-") or runs[-1][0] != kind:
            runs.append((kind, place, place))
        else:
            runs[-1] = (kind, runs[-1][1], place)
        ended = scheme in ("E-", "S-")
    return runs


async def answer(call: Call) -> Reply:
    """The best answer, or with `top_k` above 1 a list of them."""
    request = decode(ANSWERS, await call.body())
    parameters = request.parameters or schemas.HubAnswersParameters()
    if parameters.align_to_words:
        raise invalid("align_to_words: answers are as the model marks them", "parameters")
    model = call.state.pick(named(call, request.model), "span")
    item = Question(id="", question=request.inputs.question, context=request.inputs.context)
    result = await call.compute(model, [item])
    found = _answers(result, empty=bool(parameters.handle_impossible_answer))
    if not found:
        raise Problem(500, "model_error", "the model finds no answer in the context")
    top_k = parameters.top_k or 1
    return Reply(body=orjson.dumps(found[0] if top_k == 1 else found[:top_k]))


def _answers(result: Result, *, empty: bool) -> list[dict[str, Any]]:
    """Answers best first; the empty one stands first where it is allowed and the model means it."""
    (best,) = result.whole()
    found = [
        {"answer": s.text, "score": s.probability, "start": s.start, "end": s.end}
        for s in best.n_best
    ]
    if not best.text and (empty or not found):
        found.insert(0, {"answer": "", "score": best.probability, "start": 0, "end": 0})
    return found


OPERATIONS: list[Operation[Call]] = [
    operation("/", task, "hub_task", "Hugging Face's tasks; TEI's default route.",
              kinds=("embed", "pair", "tag", "span"),
              request=(schemas.TeiEmbedRequest, schemas.TeiPredictRequest,
                       schemas.TeiRerankRequest, schemas.TeiSimilarityRequest,
                       schemas.HubAnswersRequest, schemas.HubPairRequest,
                       schemas.HubClassesRequest, schemas.HubTagsRequest),
              response=(list[list[float]], list[float], list[schemas.TeiRank],
                        list[schemas.TeiScore | list[schemas.TeiScore]], list[schemas.HubTag],
                        list[list[schemas.HubTag]], schemas.HubAnswer, list[schemas.HubAnswer]),
              example={"inputs": {"source_sentence": "Hello.", "sentences": ["Hallo."]}}),
]  # fmt: skip
