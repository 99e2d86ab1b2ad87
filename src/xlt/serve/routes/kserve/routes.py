"""KServe v2 (Open Inference Protocol), for the unchanged `tritonclient[http]` and gateways.

Strings go in, no token ids; `signatures.py` says which tensors each kind of model has.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson

from xlt._version import __version__
from xlt.serve.compute.served import Served
from xlt.serve.errors import Problem
from xlt.serve.http.bodies import Reply
from xlt.serve.request.call import Call
from xlt.serve.request.loading import load_model
from xlt.serve.request.operation import Operation
from xlt.serve.routes.kserve.outputs import check_outputs, encode_reply
from xlt.serve.routes.kserve.signatures import SIGNATURES
from xlt.serve.routes.kserve.tensors import (
    Head,
    InferResponse,
    bad_tensor,
    read_request,
    texts_of,
)

__all__ = ["ADMIN", "OPERATIONS"]

EXTENSIONS = ["binary_tensor_data", "statistics", "model_repository", "model_configuration",
              "classification"]  # fmt: skip
VERSION = "1"
EXAMPLE = {
    "inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["Good morning."]}],
}


async def infer(call: Call) -> Reply:
    """Predictions for tensors of strings."""
    model = _model(call)
    signature = SIGNATURES[model.kind]
    body = await call.body()
    length = call.header("inference-header-content-length")
    head, rest = read_request(
        body, length, [n for n, (_, need) in signature.inputs.items() if need]
    )
    texts = texts_of(head, rest, {name: need for name, (_, need) in signature.inputs.items()})
    items = signature.items(texts)
    check_outputs(head, {name: datatype for name, (datatype, _) in signature.outputs.items()})
    truncate = head.parameters.get("truncate")
    if truncate not in (None, True, False, "right", "left", "error"):
        raise bad_tensor(
            f"parameter truncate {str(truncate)[:20]!r}: true, false, right, left or error"
        )
    side = truncate if isinstance(truncate, str) else "error" if truncate is False else None
    result = await call.compute(model, items, truncate=side)
    predictions = result.whole()

    def render() -> tuple[bytes, int | None]:
        arrays = signature.arrays(predictions, texts)
        return encode_reply(head, model.name, VERSION, arrays, _classes(model))

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
    reason = call.state.ready
    if reason is not None:
        raise Problem(503, "not_ready", reason, retry_after=1.0)
    return _json({"ready": True})


async def model_metadata(call: Call) -> Reply:
    """Tensors of a model."""
    model = _model(call)
    signature = SIGNATURES[model.kind]
    return _json(
        {
            "name": model.name,
            "versions": [VERSION],
            "platform": "onnxruntime_onnx",
            "inputs": [
                {"name": name, "datatype": "BYTES", "shape": shape}
                for name, (shape, _) in signature.inputs.items()
            ],
            "outputs": [
                {"name": name, "datatype": datatype, "shape": _shape(shape, model)}
                for name, (datatype, shape) in signature.outputs.items()
            ],
        }
    )


async def model_ready(call: Call) -> Reply:
    """Whether a model answers."""
    model = _model(call)
    if model.vitals.reason is not None:
        raise Problem(503, "not_ready", model.vitals.reason, retry_after=1.0)
    return _json({"name": model.name, "ready": True})


async def model_config(call: Call) -> Reply:
    """Triton's configuration of a model."""
    model = _model(call)
    signature = SIGNATURES[model.kind]
    return _json(
        {
            "name": model.name,
            "platform": "onnxruntime_onnx",
            "backend": "onnxruntime",
            "max_batch_size": 0,
            "input": [
                {"name": name, "data_type": "TYPE_STRING", "dims": shape, "optional": not need}
                for name, (shape, need) in signature.inputs.items()
            ],
            "output": [
                {
                    "name": name,
                    "data_type": "TYPE_STRING" if datatype == "BYTES" else f"TYPE_{datatype}",
                    "dims": _shape(shape, model),
                }
                for name, (datatype, shape) in signature.outputs.items()
            ],
        }
    )


async def model_statistics(call: Call) -> Reply:
    """Triton's counters of a model."""
    return _json({"model_stats": [_statistics(call, _model(call))]})


async def all_statistics(call: Call) -> Reply:
    """Triton's counters of all models."""
    models = call.state.models.table.values()
    return _json({"model_stats": [_statistics(call, model) for model in models]})


def _statistics(call: Call, model: Served) -> dict[str, Any]:
    counts = call.state.metrics.of(model).counts
    nothing = {"count": 0, "ns": 0}
    return {
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


async def index(call: Call) -> Reply:
    """Loaded models, failing ones too, and those that are being loaded."""
    models = call.state.models
    found = []
    for name, served in models.table.items():
        reason = served.vitals.reason
        state = "READY" if reason is None else "UNAVAILABLE"
        found.append({"name": name, "version": VERSION, "state": state, "reason": reason or ""})
    found += [
        {"name": name, "version": VERSION, "state": "LOADING", "reason": ""}
        for name in models.awaited
    ]
    return Reply(body=orjson.dumps(found))


async def load(call: Call) -> Reply:
    """Load or swap a model."""
    await load_model(call.state, call.path_value("model"))
    return Reply(body=b"{}")


async def unload(call: Call) -> Reply:
    """Unload a model."""
    call.state.unload(call.path_value("model"))
    return Reply(body=b"{}")


def _model(call: Call) -> Served:
    version = call.scope["path_params"].get("version", VERSION)
    if version != VERSION:
        raise Problem(404, "model_not_found", f"version {version[:20]!r}; there is only {VERSION}")
    return call.state.find(call.path_value("model"))


def _classes(model: Served) -> Sequence[str]:
    """Names of what a model's scores stand for; tags' scores and vectors stand for none."""
    return model.bundle.task.labels if model.kind == "pair" else ()


def _shape(shape: Sequence[int | str], model: Served) -> list[int]:
    sizes = {"C": len(model.bundle.task.labels), "D": model.dimensions or -1}
    return [sizes[size] if isinstance(size, str) else size for size in shape]


def _json(value: dict[str, Any]) -> Reply:
    return Reply(body=orjson.dumps(value))


Handler = Callable[[Call], Awaitable[Reply]]


def _kserve(
    method: str, path: str, handler: Handler, name: str, summary: str, **more: Any
) -> Operation[Call]:
    return Operation(
        method=method, path=path, handler=handler, name=name, summary=summary, group="KServe v2",
        dialect="kserve", **{"response": dict, **more},
    )  # fmt: skip


def _with_version(
    method: str, path: str, handler: Handler, name: str, summary: str, **more: Any
) -> list[Operation[Call]]:
    """An operation of a model, with and without a version in the path."""
    base, versioned = "/v2/models/{model}", "/v2/models/{model}/versions/{version}"
    return [
        _kserve(method, base + path, handler, name, summary, **more),
        _kserve(method, versioned + path, handler, f"{name}_version", summary, **more),
    ]


OPERATIONS: list[Operation[Call]] = [
    *_with_version("POST", "/infer", infer, "infer", "Predict, tensors in and out.",
                   request=Head, response=InferResponse, example=EXAMPLE),
    _kserve("GET", "/v2", server_metadata, "server_metadata", "Name, version, extensions."),
    _kserve("GET", "/v2/health/live", live, "v2_live", "Whether the process answers.",
            access="open", quiet=True),
    _kserve("GET", "/v2/health/ready", ready, "v2_ready", "Whether requests are answered now.",
            access="open", quiet=True),
    _kserve("GET", "/v2/models/stats", all_statistics, "all_stats", "Triton's counters."),
    *_with_version("GET", "/ready", model_ready, "model_ready", "Whether a model answers."),
    *_with_version("GET", "/config", model_config, "model_config", "Triton's configuration."),
    *_with_version("GET", "/stats", model_statistics, "model_statistics", "Triton's counters."),
    *_with_version("GET", "", model_metadata, "model_metadata", "Tensors of a model."),
    _kserve("POST", "/v2/repository/index", index, "repository_index", "Loaded models.",
            response=list[dict[str, str]]),
]  # fmt: skip
ADMIN: list[Operation[Call]] = [
    _kserve("POST", "/v2/repository/models/{model}/load", load, "repository_load",
            "Load or swap a model.", access="admin"),
    _kserve("POST", "/v2/repository/models/{model}/unload", unload, "repository_unload",
            "Unload a model.", access="admin"),
]  # fmt: skip
