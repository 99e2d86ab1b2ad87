"""OpenAI's model object, and what we know besides; routes that list or load models give it."""

from __future__ import annotations

from typing import Any

from xlt.serve.compute.served import Served
from xlt.serve.request.operation import own_paths
from xlt.serve.request.state import State

__all__ = ["model_card"]

OWNER = "xlt"


def model_card(state: State, model: Served) -> dict[str, Any]:
    """What clients may know of a model."""
    return {
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": OWNER,
        "task": model.task,
        "kind": model.kind,
        "answers": list(model.bundle.answers),
        "labels": list(model.bundle.task.labels),
        "precision": model.bundle.precision,
        "device": model.engine.session.device,
        "max_length": model.engine.encoder.max_length,
        "dimensions": model.dimensions,
        "routes": own_paths(state.operations, model.kind),
    }
