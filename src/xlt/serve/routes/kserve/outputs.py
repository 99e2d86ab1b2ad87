"""Tensors of answers in the KServe v2 protocol: which are asked for, and their JSON or bytes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from xlt.serve.routes.kserve.tensors import Head, Output, bad_tensor, refuse_shared_memory

__all__ = ["best_classes", "check_outputs", "encode_reply"]

DTYPES = {"FP32": "<f4", "INT64": "<i8"}


def check_outputs(head: Head, known: dict[str, str]) -> None:
    """Refuse outputs before anything is computed for them.

    Args:
        head: the JSON.
        known: the model's outputs, with their datatypes.

    Raises:
        Problem: 400 for an unknown or doubled output, for one that is to be written into shared
            memory, and for classes of one that has none.
    """
    asked = head.outputs or []
    for output in asked:
        if output.name not in known:
            raise bad_tensor(f"no output {output.name[:100]!r}; this model has {list(known)}")
        refuse_shared_memory(f"output {output.name!r}", output.parameters)
        count = output.parameters.get("classification", 0)
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise bad_tensor(
                f"output {output.name!r}: classification {str(count)[:20]!r} is no number of "
                "classes (class_count)"
            )
        if count and known[output.name] != "FP32":
            raise bad_tensor(
                f"output {output.name!r} is {known[output.name]}, of which there are no best "
                "classes (class_count, classification)"
            )
    if len(asked) > len({output.name for output in asked}):
        raise bad_tensor("an output is asked for twice")


def best_classes(
    array: np.ndarray[Any, Any], count: int, labels: Sequence[str]
) -> np.ndarray[Any, Any]:
    """The best classes of each row as `score:index[:label]`, Triton's classification extension.

    Args:
        array: scores (N, C), or (C,).
        count: of classes at most.
        labels: names of the classes; there need be none.
    """
    n_best = min(count, array.shape[-1])
    found = np.empty((*array.shape[:-1], n_best), dtype=object)
    for place in np.ndindex(array.shape[:-1]):
        row = array[place]
        for rank, index in enumerate(np.argsort(-row, kind="stable")[:n_best].tolist()):
            label = f":{labels[index]}" if index < len(labels) else ""
            found[(*place, rank)] = f"{row[index]:f}:{index}{label}"
    return found


def encode_reply(
    head: Head,
    model: str,
    version: str,
    tensors: dict[str, np.ndarray[Any, Any]],
    labels: Sequence[str],
) -> tuple[bytes, int | None]:
    """The answer's body, and the size of its JSON head when binary tensors follow it.

    Args:
        head: the JSON of the request, checked by `check_outputs`.
        model: its name.
        version: its version.
        tensors: all outputs of the model.
        labels: of the classes, in the order of the scores.
    """
    asked = head.outputs if head.outputs else [Output(name=name) for name in tensors]
    everything = head.parameters.get("binary_data_output") is True
    outputs: list[dict[str, Any]] = []
    tail: list[bytes] = []
    for output in asked:
        array = tensors[output.name]
        count = output.parameters.get("classification", 0)
        if count != 0:
            array = best_classes(array, count, labels)
        entry: dict[str, Any] = {
            "name": output.name,
            "datatype": _datatype(array),
            "shape": list(array.shape),
        }
        if output.parameters.get("binary_data", everything) is True:
            raw = _raw(array)
            entry["parameters"] = {"binary_data_size": len(raw)}
            tail.append(raw)
        else:
            entry["data"] = array.reshape(-1).tolist()
        outputs.append(entry)
    answer: dict[str, Any] = {"model_name": model, "model_version": version, "outputs": outputs}
    if head.id is not None:
        answer["id"] = head.id
    text = orjson.dumps(answer)
    return b"".join([text, *tail]), len(text) if tail else None


def _datatype(array: np.ndarray[Any, Any]) -> str:
    if array.dtype == object:
        return "BYTES"
    return "FP32" if array.dtype.kind == "f" else "INT64"


def _raw(array: np.ndarray[Any, Any]) -> bytes:
    if array.dtype == object:
        parts = [text.encode() for text in array.reshape(-1)]
        return b"".join(struct.pack("<I", len(part)) + part for part in parts)
    return array.astype(DTYPES[_datatype(array)]).tobytes()
