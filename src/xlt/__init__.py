"""Cross-lingual transfer: train on English, evaluate and serve in every language.

The public face is what `__all__` names; every other import path is private and may move.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from xlt._version import __version__

# ONNX Runtime's wheels for Linux report usage over the network unless this is set before they load.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from xlt.client.api import Client
    from xlt.core.inference.engine import Engine
    from xlt.evalsuite import evaluate
    from xlt.export import export as export_model
    from xlt.export.hub.sentence import sentence_module
    from xlt.train import fit

    open = Engine.open

__all__ = ["Client", "__version__", "evaluate", "export_model", "fit", "open", "sentence_module"]

# public name -> (module, attribute); `xlt.export` stays the room, so the function is export_model
_FACE = {
    "Client": ("xlt.client.api", "Client"),
    "evaluate": ("xlt.evalsuite", "evaluate"),
    "export_model": ("xlt.export", "export"),
    "fit": ("xlt.train", "fit"),
    "sentence_module": ("xlt.export.hub.sentence", "sentence_module"),
    "open": ("xlt.core.inference.engine", "Engine.open"),
}
_ROOMS = {"client", "core", "data", "evalsuite", "export", "serve", "study", "train", "world"}


def __getattr__(name: str) -> Any:
    """Load public names and rooms when they are first used, so that `import xlt` stays cheap."""
    if name in _ROOMS:
        return importlib.import_module(f"xlt.{name}")
    if name not in _FACE:
        raise AttributeError(f"module 'xlt' has no attribute {name!r}")
    module, path = _FACE[name]
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


def __dir__() -> list[str]:
    """The public face."""
    return sorted(__all__)
