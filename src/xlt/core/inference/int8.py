"""Whether this CPU multiplies bytes as it should, found out by multiplying some.

CPUs without VNNI add pairs of products of uint8 and int8 in 16 bits, which overflow for weights
beyond +-64; some kernels were wrong at some shapes only. So products of several shapes, with the
largest numbers there are, are compared with whole-number arithmetic.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from xlt.core.errors import ModelError
from xlt.core.inference.session import Session

__all__ = ["check_int8", "wrong_products"]

Integers = NDArray[np.int64]
# (K, N) of weights; K x 255 x 127 stays below 2^24, where every float32 is a whole number
WEIGHTS = ((32, 32), (64, 48), (250, 31), (384, 384), (500, 96))
ROWS = (1, 2, 5, 16, 33, 130)
ZERO = 128
FLOAT, UINT8, INT8 = 1, 2, 3  # element types of ONNX


def check_int8() -> None:
    """Refuse a CPU that is wrong for weights within +-127; the answer is kept.

    Raises:
        ModelError: it is; the first wrong shape is named.
    """
    wrong = wrong_products(127)
    if wrong:
        raise ModelError(
            f"int8-vnni: this CPU's 8-bit products are wrong ({wrong})",
            "use --precision int8, whose weights are exact on every CPU",
        )


@functools.cache
def wrong_products(limit: int) -> str:
    """The first shape whose product is wrong for weights within +-`limit`; empty if none is."""
    for width, columns in WEIGHTS:
        weight_KN = _numbers(width, columns, 3) % (2 * limit + 1) - limit
        weight_KN[:, 0] = limit
        session = Session(_graph(weight_KN), device="cpu", threads=1)
        for rows in ROWS:
            byte_RK = _numbers(rows, width, 7) % 256
            byte_RK[0] = 255
            exact_RN = (byte_RK - ZERO) @ weight_KN
            (got_RN,) = session.run({"a": byte_RK.astype(np.uint8)}, ["y"])
            if not np.array_equal(got_RN, exact_RN.astype(np.float32)):
                return f"{rows} x {width} by {width} x {columns}"
    return ""


def _numbers(rows: int, columns: int, seed: int) -> Integers:
    """Scattered whole numbers, the same everywhere."""
    count = np.arange(rows * columns, dtype=np.int64).reshape(rows, columns)
    return (count * 2654435761 + seed * 40503) % 65521


def _graph(weight_KN: Integers) -> bytes:
    """An ONNX model of one MatMulIntegerToFloat with a constant weight and all scales 1."""
    width, columns = weight_KN.shape
    constants = (
        _tensor("b", INT8, weight_KN.astype(np.int8)),
        _tensor("one", FLOAT, np.array(1, np.float32)),
        _tensor("ones", FLOAT, np.ones(columns, np.float32)),
        _tensor("zero", UINT8, np.array(ZERO, np.uint8)),
    )
    node = b"".join(_text(1, name) for name in ("a", "b", "one", "ones", "zero"))
    node += _text(2, "y") + _text(4, "MatMulIntegerToFloat") + _text(7, "com.microsoft")
    graph = _part(1, node) + _text(2, "g") + b"".join(_part(5, one) for one in constants)
    graph += _part(11, _value("a", UINT8, width)) + _part(12, _value("y", FLOAT, columns))
    opsets = _part(8, _number(2, 18)) + _part(8, _text(1, "com.microsoft") + _number(2, 1))
    return _number(1, 8) + _part(7, graph) + opsets


def _tensor(name: str, kind: int, array: NDArray[np.generic]) -> bytes:
    dims = b"".join(_number(1, size) for size in array.shape)
    return dims + _number(2, kind) + _text(8, name) + _part(9, array.tobytes())


def _value(name: str, kind: int, columns: int) -> bytes:
    """A matrix with an open number of rows, as an input or output."""
    shape = _part(1, _text(2, "rows")) + _part(1, _number(1, columns))
    return _text(1, name) + _part(2, _part(1, _number(1, kind) + _part(2, shape)))


def _number(field: int, value: int) -> bytes:
    return bytes(_varint(field << 3)) + bytes(_varint(value))


def _text(field: int, value: str) -> bytes:
    return _part(field, value.encode())


def _part(field: int, data: bytes) -> bytes:
    """Bytes of a known length under a field number, as protocol buffers write them."""
    return bytes(_varint(field << 3 | 2)) + bytes(_varint(len(data))) + data


def _varint(value: int) -> Iterator[int]:
    while value > 127:
        yield value & 127 | 128
        value >>= 7
    yield value
