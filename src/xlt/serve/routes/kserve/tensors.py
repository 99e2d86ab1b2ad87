"""Tensors of requests in the KServe v2 protocol: JSON and binary.

Binary: a JSON head whose size the header `Inference-Header-Content-Length` gives, then the raw
tensors in order, little-endian; a BYTES element is its length as u32 and its bytes. Source: the
Open Inference Protocol and Triton's binary data extension.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from xlt.serve.errors import Problem
from xlt.serve.limits import MAX_ITEMS

__all__ = [
    "Head",
    "InferResponse",
    "TextTensor",
    "bad_tensor",
    "read_request",
    "refuse_shared_memory",
    "texts_of",
]


Scalar = str | float | bool | None  # strings are taken; what the others are is told by name


class Input(msgspec.Struct, kw_only=True):
    """One input tensor."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Scalar | list[Scalar]] | None = None
    parameters: dict[str, Any] = {}


class Output(msgspec.Struct, kw_only=True):
    """One output that is asked for."""

    name: str
    parameters: dict[str, Any] = {}


class Head(msgspec.Struct, kw_only=True):
    """The JSON of an inference request."""

    inputs: list[Input]
    id: str | None = None
    parameters: dict[str, Any] = {}
    outputs: list[Output] | None = None


class OutputTensor(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One output; its data follow the JSON when it has a `binary_data_size`."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, int] = {}
    data: list[str | float] | None = None


class InferResponse(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The JSON of an inference answer."""

    model_name: str
    model_version: str
    outputs: list[OutputTensor]
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTensor:
    """Strings of an input, flat, with its shape."""

    shape: tuple[int, ...]
    values: list[str]


HEAD = msgspec.json.Decoder(Head)


def read_request(body: bytes, head_length: str | None, names: Sequence[str]) -> tuple[Head, bytes]:
    """The JSON head and the binary rest.

    Args:
        body: of the request.
        head_length: `Inference-Header-Content-Length`; "0" means that the body is the one element
            of the model's one input.
        names: the model's inputs.

    Raises:
        Problem: 400 when the head is not a request.
    """
    if head_length == "0":
        if len(names) != 1:
            raise bad_tensor(
                f"a body without a head needs a model of one input, this one has {names}"
            )
        raw = Input(name=names[0], shape=[1], datatype="BYTES", data=[_utf8(body, names[0])])
        return Head(inputs=[raw], parameters={"binary_data_output": True}), b""
    size = len(body)
    if head_length is not None:
        if not re.fullmatch(r"[0-9]{1,12}", head_length) or int(head_length) > len(body):
            raise bad_tensor(
                f"inference-header-content-length {head_length[:20]!r} is not a size inside"
            )
        size = int(head_length)
    try:
        return HEAD.decode(body[:size]), body[size:]
    except msgspec.ValidationError as error:
        raise bad_tensor(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, "invalid_json", f"not JSON: {type(error).__name__}") from None


def texts_of(head: Head, rest: bytes, known: dict[str, bool]) -> dict[str, TextTensor]:
    """The string tensors of a request, by name.

    Args:
        head: the JSON.
        rest: binary tensors, in the order of the inputs that declare a size.
        known: the model's inputs, and whether each is needed.

    Raises:
        Problem: 400 for unknown, missing or doubled inputs, and for wrong types, shapes or sizes.
    """
    found: dict[str, TextTensor] = {}
    for tensor in head.inputs:
        if tensor.name not in known:
            raise bad_tensor(f"no input {tensor.name[:100]!r}; this model has {', '.join(known)}")
        if tensor.name in found:
            raise bad_tensor(f"input {tensor.name!r} is given twice")
        refuse_shared_memory(f"input {tensor.name!r}", tensor.parameters)
        if tensor.datatype != "BYTES":
            raise bad_tensor(f"input {tensor.name!r} is {tensor.datatype[:20]}; BYTES is needed")
        count = _count(tensor)
        size = tensor.parameters.get("binary_data_size")
        if size is None:
            values = _flat(tensor)
        elif isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= len(rest):
            values = _elements(rest[:size], tensor.name, count)
            rest = rest[size:]
        else:
            raise bad_tensor(
                f"input {tensor.name!r}: binary_data_size {size!r} is not what has come"
            )
        if len(values) != count:
            raise bad_tensor(
                f"input {tensor.name!r}: {len(values)} values for the shape {tensor.shape}"
            )
        found[tensor.name] = TextTensor(shape=tuple(tensor.shape), values=values)
    if rest:
        raise bad_tensor(f"{len(rest)} bytes are left after the last binary tensor")
    missing = [name for name, needed in known.items() if needed and name not in found]
    if missing:
        raise bad_tensor(f"input {', '.join(missing)} is missing")
    return found


def refuse_shared_memory(what: str, parameters: dict[str, Any]) -> None:
    """Refuse a tensor that is not in the body.

    Raises:
        Problem: 400.
    """
    if any(name.startswith("shared_memory") for name in parameters):
        raise bad_tensor(
            f"{what} is in shared memory, which this server does not use; send and ask for tensors "
            "in the body"
        )


def _count(tensor: Input) -> int:
    """Elements of a tensor; a shape is one or two sizes, and bounded."""
    shape = tensor.shape
    if not 1 <= len(shape) <= 2 or any(size < 0 for size in shape):
        raise bad_tensor(f"input {tensor.name!r}: the shape {shape[:8]} is not one or two sizes")
    count = 1
    for size in shape:
        count *= size
    if shape[0] > MAX_ITEMS or count > MAX_ITEMS * 64:
        raise bad_tensor(
            f"input {tensor.name!r}: the shape {shape} holds more than {MAX_ITEMS} items"
        )
    return count


def _flat(tensor: Input) -> list[str]:
    """Values of JSON data, flat or nested."""
    values: list[str] = []

    def walk(part: Iterable[Any], depth: int) -> None:
        for value in part:
            if isinstance(value, list) and depth < len(tensor.shape):
                walk(value, depth + 1)
            elif isinstance(value, str):
                values.append(value)
            else:
                raise bad_tensor(f"input {tensor.name!r}: data holds something else than strings")

    if tensor.data is None:
        raise bad_tensor(f"input {tensor.name!r} has neither data nor a binary_data_size")
    walk(tensor.data, 1)
    return values


def _elements(raw: bytes, name: str, count: int) -> list[str]:
    """Strings of a binary BYTES tensor."""
    values: list[str] = []
    place = 0
    while place < len(raw) and len(values) <= count:
        if place + 4 > len(raw):
            raise bad_tensor(f"input {name!r}: an element's length is cut off")
        (size,) = struct.unpack_from("<I", raw, place)
        place += 4
        if place + size > len(raw):
            raise bad_tensor(f"input {name!r}: an element of {size} bytes does not fit")
        values.append(_utf8(raw[place : place + size], name))
        place += size
    return values


def _utf8(raw: bytes, name: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise bad_tensor(f"input {name!r}: not UTF-8 at byte {error.start}") from None


def bad_tensor(message: str) -> Problem:
    """A request whose tensors break a rule."""
    return Problem(400, "invalid_tensor", message, "inputs")
