"""Writing a graph, with its weights in a file of their own where they are too many for one."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import ModelProto

__all__ = ["save_graph"]

DATA_LIMIT = 1_900_000_000  # bytes of one protobuf message


def save_graph(model: ModelProto, target: Path) -> None:
    """Write a graph; weights above the limit of one file go to `<target>_data`."""
    big = model.ByteSize() > DATA_LIMIT
    onnx.save(
        model,
        str(target),
        save_as_external_data=big,
        location=f"{target.name}_data" if big else None,
        size_threshold=100,
    )
    if big:  # onnx writes external data for its owner only
        target.with_name(f"{target.name}_data").chmod(0o644)
