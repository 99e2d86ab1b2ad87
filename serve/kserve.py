"""KServe v2 (Open Inference Protocol), for the unchanged `tritonclient[http]` and gateways.

Strings go in, no token ids: each kind of model has the tensors of its row in `TENSORS`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from xlt._version import __version__
from xlt.examples import Choice, Pair, Question, Tagged
from xlt.serve.admin import load_model
from xlt.serve.call import Call
from xlt.serve.errors import Problem
from xlt.serve.http import Reply
from xlt.serve.models import Served
from xlt.serve.routes import Operation
from xlt.serve.tensors import (
    Head,
    InferResponse,
    TextTensor,
    encode_reply,
    read_request,
    texts_of,
)

__all__ = ["ADMIN", "OPERATIONS"]

EXTENSIONS = ["binary_tensor_data", "statistics", "model_repository", "model_configuration"]
VERSION = "1"
EXAMPLE = {
    "inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["Good morning."]}],
}
Arrays = dict[str, np.ndarray[Any, Any]]
Texts = dict[str, TextTensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensors:
    """What a kind of model takes and gives.

    Attributes:
        inputs: name -> (shape with -1 for any, whether it is needed); all are BYTES.
        outputs: name -> (datatype, shape); C stands for the number of labels, D for the width.
        items: strings to items.
        arrays: predictions to output tensors.
    """

    inputs: dict[str, tuple[list[int], bool]]
    outputs: dict[str, tuple[str, list[int | str]]]
    items: Callable[[Texts], list[Any]]
    arrays: Callable[[Sequence[Any], Texts], Arrays]


def _column(texts: Texts, name: str, like: str | None = None) -> list[str]:
    """A list of strings that are not empty; (N,) and (N, 1) are the same."""
    tensor = texts[name]
    if len(tensor.shape) == 2 and tensor.shape[1] != 1:
        raise _bad(f"input {name!r} has shape {list(tensor.shape)}; [N] is needed")
    if not tensor.values or not all(tensor.values):
        raise _bad(f"input {name!r} is empty, or holds an empty text")
    if like is not None and len(tensor.values) != len(texts[like].values):
        raise _bad(f"inputs {like!r} and {name!r} hold different numbers of texts")
    return tensor.values


def _table(texts: Texts, name: str) -> list[list[str]]:
    """Rows of strings; empty strings at the end of a row are padding."""
    tensor = texts[name]
    n, width = tensor.shape if len(tensor.shape) == 2 else (1, tensor.shape[0])
    rows = [tensor.values[i * width : (i + 1) * width] for i in range(n)]
    for row in rows:
        while row and not row[-1]:
            row.pop()
        if not row or not all(row):
            raise _bad(f"input {name!r}: a row is empty, or has an empty string in the middle")
    if not rows:
        raise _bad(f"input {name!r} is empty")
    return rows


def _pairs(texts: Texts) -> list[Any]:
    first = _column(texts, "text")
    second: Sequence[str | None] = [None] * len(first)
    if "text_pair" in texts:
        second = _column(texts, "text_pair", "text")
    return [Pair(id="", text_a=a, text_b=b) for a, b in zip(first, second, strict=True)]


def _choices(texts: Texts) -> list[Any]:
    prompts, rows = _column(texts, "prompt"), _table(texts, "choices")
    if len(prompts) != len(rows) or any(len(row) < 2 for row in rows):
        raise _bad("input 'choices' needs a row of at least two for each prompt")
    return [Choice(id="", prompt=p, choices=tuple(r)) for p, r in zip(prompts, rows, strict=True)]


def _questions(texts: Texts) -> list[Any]:
    contexts = _column(texts, "context", "question")
    asked = _column(texts, "question")
    return [Question(id="", question=q, context=c) for q, c in zip(asked, contexts, strict=True)]


def _strings(values: Sequence[str]) -> np.ndarray[Any, Any]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _ragged(rows: Sequence[Sequence[Any]], empty: Any, dtype: Any) -> np.ndarray[Any, Any]:
    array = np.full((len(rows), max(map(len, rows))), empty, dtype=dtype)
    for index, row in enumerate(rows):
        array[index, : len(row)] = row
    return array


def _tag_arrays(predictions: Sequence[Any], texts: Texts) -> Arrays:
    arrays = {
        "tag": _ragged([tags.tags for tags in predictions], "", object),
        "score": _ragged([tags.scores for tags in predictions], 0.0, np.float32),
    }
    if len(texts["words"].shape) == 1:
        return {name: array[0] for name, array in arrays.items()}
    return arrays


TENSORS: dict[str, Tensors] = {
    "embed": Tensors(
        inputs={"text": ([-1], True)},
        outputs={"embedding": ("FP32", [-1, "D"])},
        items=lambda texts: list(_column(texts, "text")),
        arrays=lambda predictions, texts: {"embedding": np.asarray(predictions, np.float32)},
    ),
    "pair": Tensors(
        inputs={"text": ([-1], True), "text_pair": ([-1], False)},
        outputs={"label": ("BYTES", [-1]), "scores": ("FP32", [-1, "C"])},
        items=_pairs,
        arrays=lambda predictions, texts: {
            "label": _strings([label.label for label in predictions]),
            "scores": np.stack([label.probabilities for label in predictions]).astype(np.float32),
        },
    ),
    "choice": Tensors(
        inputs={"prompt": ([-1], True), "choices": ([-1, -1], True)},
        outputs={"choice": ("INT64", [-1]), "scores": ("FP32", [-1, -1])},
        items=_choices,
        arrays=lambda predictions, texts: {
            "choice": np.array([picked.index for picked in predictions], np.int64),
            "scores": _ragged([picked.probabilities for picked in predictions], 0.0, np.float32),
        },
    ),
    "tag": Tensors(
        inputs={"words": ([-1, -1], True)},
        outputs={"tag": ("BYTES", [-1, -1]), "score": ("FP32", [-1, -1])},
        items=lambda texts: [Tagged(id="", words=tuple(row)) for row in _table(texts, "words")],
        arrays=_tag_arrays,
    ),
    "span": Tensors(
        inputs={"question": ([-1], True), "context": ([-1], True)},
        outputs={
            "answer": ("BYTES", [-1]), "start": ("INT64", [-1]), "end": ("INT64", [-1]),
            "score": ("FP32", [-1]),
        },
        items=_questions,
        arrays=lambda predictions, texts: {
            "answer": _strings([span.text for span in predictions]),
            "start": np.array([span.start for span in predictions], np.int64),
            "end": np.array([span.end for span in predictions], np.int64),
            "score": np.array([span.score for span in predictions], np.float32),
        },
    ),
}  # fmt: skip


async def infer(call: Call) -> Reply:
    """Predictions for tensors of strings."""
    model = _model(call)
    tensors = TENSORS[model.kind]
    body = await call.body()
    length = call.header("inference-header-content-length")
    head, rest = read_request(body, length, [n for n, (_, need) in tensors.inputs.items() if need])
    texts = texts_of(head, rest, {name: need for name, (_, need) in tensors.inputs.items()})
    items = tensors.items(texts)
    for output in head.outputs or []:
        if output.name not in tensors.outputs:
            raise _bad(f"no output {output.name[:100]!r}; this model has {list(tensors.outputs)}")
    truncate = head.parameters.get("truncate")
    if truncate not in (None, True, False, "right", "left", "error"):
        raise _bad(f"parameter truncate {str(truncate)[:20]!r}: true, false, right, left or error")
    side = truncate if isinstance(truncate, str) else "error" if truncate is False else None
    result = await call.compute(model, items, truncate=side)
    predictions = result.whole()

    def render() -> tuple[bytes, int | None]:
        return encode_reply(head, model.name, VERSION, tensors.arrays(predictions, texts))

    answer, head_size = await call.render(render, len(items))
    if head_size is None:
        return Reply(body=answer)
    return Reply(
        body=answer,
        content_type="application/octet-stream",
        headers=(("inference-header-content-length", str(head_size)),),
    )


async def server_metadata(call: Call) -> Reply:
    """Name, version and extensions."""
    return _json({"name": "xlt", "version": __version__, "extensions": EXTENSIONS})


async def live(call: Call) -> Reply:
    """The process answers."""
    return _json({"live": True})


async def ready(call: Call) -> Reply:
    """Requests are answered now."""
    reason = call.app.ready
    if reason is not None:
        raise Problem(503, "not_ready", reason, retry_after=1.0)
    return _json({"ready": True})


async def model_metadata(call: Call) -> Reply:
    """Tensors of a model."""
    model = _model(call)
    tensors = TENSORS[model.kind]
    return _json(
        {
            "name": model.name,
            "versions": [VERSION],
            "platform": "onnxruntime_onnx",
            "inputs": [
                {"name": name, "datatype": "BYTES", "shape": shape}
                for name, (shape, _) in tensors.inputs.items()
            ],
            "outputs": [
                {"name": name, "datatype": datatype, "shape": _shape(shape, model)}
                for name, (datatype, shape) in tensors.outputs.items()
            ],
        }
    )


async def model_ready(call: Call) -> Reply:
    """Whether a model answers."""
    return _json({"name": _model(call).name, "ready": True})


async def model_config(call: Call) -> Reply:
    """Triton's configuration of a model."""
    model = _model(call)
    tensors = TENSORS[model.kind]
    return _json(
        {
            "name": model.name,
            "platform": "onnxruntime_onnx",
            "backend": "onnxruntime",
            "max_batch_size": 0,
            "input": [
                {"name": name, "data_type": "TYPE_STRING", "dims": shape, "optional": not need}
                for name, (shape, need) in tensors.inputs.items()
            ],
            "output": [
                {
                    "name": name,
                    "data_type": "TYPE_STRING" if datatype == "BYTES" else f"TYPE_{datatype}",
                    "dims": _shape(shape, model),
                }
                for name, (datatype, shape) in tensors.outputs.items()
            ],
        }
    )


async def model_statistics(call: Call) -> Reply:
    """Triton's counters of a model."""
    model = _model(call)
    counts = call.app.metrics.of(model).counts
    nothing = {"count": 0, "ns": 0}
    statistics = {
        "name": model.name,
        "version": VERSION,
        "inference_count": counts.rows,
        "execution_count": counts.batches,
        "inference_stats": {
            "success": {"count": counts.answered, "ns": counts.answered_ns},
            "fail": {"count": counts.failed, "ns": counts.failed_ns},
            "queue": nothing,
            "compute_input": nothing,
            "compute_infer": {"count": counts.batches, "ns": counts.infer_ns},
            "compute_output": nothing,
        },
        "batch_stats": [],
    }
    return _json({"model_stats": [statistics]})


async def index(call: Call) -> Reply:
    """Loaded models, and those that are being loaded."""
    models = call.app.models
    found = [
        {"name": name, "version": VERSION, "state": "READY", "reason": ""} for name in models.table
    ]
    found += [
        {"name": name, "version": VERSION, "state": "LOADING", "reason": ""}
        for name in models.awaited
    ]
    return Reply(body=orjson.dumps(found))


async def load(call: Call) -> Reply:
    """Load or swap a model."""
    await load_model(call, call.path_value("model"), None, None)
    return Reply(body=b"{}")


async def unload(call: Call) -> Reply:
    """Unload a model."""
    call.app.models.remove(call.path_value("model"))
    return Reply(body=b"{}")


def _model(call: Call) -> Served:
    version = call.scope["path_params"].get("version", VERSION)
    if version != VERSION:
        raise Problem(404, "model_not_found", f"version {version[:20]!r}; there is only {VERSION}")
    return call.app.models.find(call.path_value("model"))


def _shape(shape: Sequence[int | str], model: Served) -> list[int]:
    sizes = {"C": len(model.bundle.task.labels), "D": model.dimensions or -1}
    return [sizes[size] if isinstance(size, str) else size for size in shape]


def _json(value: dict[str, Any]) -> Reply:
    return Reply(body=orjson.dumps(value))


def _bad(message: str) -> Problem:
    return Problem(400, "invalid_tensor", message, "inputs")


Handler = Callable[[Call], Awaitable[Reply]]


def _kserve(method: str, path: str, handler: Handler, name: str, summary: str, **more: Any) -> Any:
    return Operation(
        method=method, path=path, handler=handler, name=name, summary=summary, group="KServe v2",
        dialect="kserve", **{"response": dict, **more},
    )  # fmt: skip


def _with_version(
    method: str, path: str, handler: Handler, name: str, summary: str, **more: Any
) -> list[Any]:
    """An operation of a model, with and without a version in the path."""
    base, versioned = "/v2/models/{model}", "/v2/models/{model}/versions/{version}"
    return [
        _kserve(method, base + path, handler, name, summary, **more),
        _kserve(method, versioned + path, handler, f"{name}_version", summary, **more),
    ]


OPERATIONS: list[Operation] = [
    *_with_version("POST", "/infer", infer, "infer", "Predict, tensors in and out.",
                   request=Head, response=InferResponse, example=EXAMPLE),
    _kserve("GET", "/v2", server_metadata, "server_metadata", "Name, version, extensions."),
    _kserve("GET", "/v2/health/live", live, "v2_live", "Whether the process answers.",
            access="open", quiet=True),
    _kserve("GET", "/v2/health/ready", ready, "v2_ready", "Whether requests are answered now.",
            access="open", quiet=True),
    *_with_version("GET", "/ready", model_ready, "model_ready", "Whether a model answers."),
    *_with_version("GET", "/config", model_config, "model_config", "Triton's configuration."),
    *_with_version("GET", "/stats", model_statistics, "model_statistics", "Triton's counters."),
    *_with_version("GET", "", model_metadata, "model_metadata", "Tensors of a model."),
    _kserve("POST", "/v2/repository/index", index, "repository_index", "Loaded models.",
            response=list[dict[str, str]]),
]  # fmt: skip
ADMIN: list[Operation] = [
    _kserve("POST", "/v2/repository/models/{model}/load", load, "repository_load",
            "Load or swap a model.", access="admin"),
    _kserve("POST", "/v2/repository/models/{model}/unload", unload, "repository_unload",
            "Unload a model.", access="admin"),
]  # fmt: skip
