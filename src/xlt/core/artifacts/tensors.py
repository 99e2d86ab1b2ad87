"""Small float32 arrays in safetensors files, read and written without its library.

The format (https://github.com/huggingface/safetensors): eight bytes with the length of a JSON
header, the header, and the numbers. Used for what follows the pooling of a sentence encoder.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.core.errors import ModelError
from xlt.core.files import BadJson, parse_json, write_atomic

__all__ = ["read_tensors", "write_tensors"]

Floats = NDArray[np.float32]
MOST_BYTES = 1 << 30
MOST_HEADER = 1 << 20
HINT = "copy or export the model again"


def write_tensors(path: Path, tensors: Mapping[str, Floats]) -> None:
    """Write named arrays as float32; equal arrays give equal bytes."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    parts, place = [], 0
    for name in sorted(tensors):
        raw = np.ascontiguousarray(tensors[name], "<f4")
        offsets = [place, place + raw.nbytes]
        header[name] = {"dtype": "F32", "shape": list(raw.shape), "data_offsets": offsets}
        parts.append(raw.tobytes())
        place += raw.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    write_atomic(path, struct.pack("<Q", len(text)) + text + b"".join(parts))


def read_tensors(path: Path) -> dict[str, Floats]:
    """The arrays of a file, by name.

    Raises:
        ModelError: missing, damaged, of another element type, or larger than 1 GiB.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ModelError(f"{path} has more than {MOST_BYTES >> 30} GiB", HINT)
        raw = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})", HINT) from error
    try:
        size = struct.unpack_from("<Q", raw)[0]
        if size > MOST_HEADER:
            raise ValueError("its header is too long")
        header, data = parse_json(raw[8 : 8 + size].decode()), raw[8 + size :]
        return {
            name: _array(entry, data) for name, entry in header.items() if name != "__metadata__"
        }
    except (
        AttributeError, BadJson, KeyError, TypeError, UnicodeDecodeError, ValueError, struct.error,
    ) as error:  # fmt: skip
        raise ModelError(f"{path}: not a safetensors file of float32 ({error})", HINT) from error


def _array(entry: Mapping[str, Any], data: bytes) -> Floats:
    """One array, whose place must hold exactly its numbers."""
    start, end = entry["data_offsets"]
    shape = tuple(int(size) for size in entry["shape"])
    if entry["dtype"] != "F32" or min(shape, default=1) < 0 or not 0 <= start <= end <= len(data):
        raise ValueError(f"an entry of {entry['dtype']} at {start}..{end}")
    if end - start != 4 * math.prod(shape):
        raise ValueError(f"shape {shape} in {end - start} bytes")
    return np.frombuffer(data[start:end], "<f4").reshape(shape).astype(np.float32)
