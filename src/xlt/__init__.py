"""Cross-lingual transfer: train on English, evaluate and serve in every language."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

# ONNX Runtime's wheels for Linux report usage over the network unless this is set before they load.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from xlt.client.api import Client
    from xlt.core.inference.engine import Engine

    open = Engine.open

__all__ = ["Client", "open"]


def __getattr__(name: str) -> Any:
    """Load public names when they are first used, so that `import xlt` stays cheap."""
    if name == "open":
        from xlt.core.inference.engine import Engine

        return Engine.open
    if name == "Client":
        from xlt.client.api import Client

        return Client
    raise AttributeError(f"module 'xlt' has no attribute {name!r}")
