"""Checkpoints to ONNX bundles, checked against PyTorch: `xlt.export.export(checkpoint, ...)`.

`export(ExportConfig(...))` is what `xlt export` runs.
May import `core`, `data`; the command also `cli`.
"""

from xlt.export.config import ExportConfig
from xlt.export.exporting import Exported, export

__all__ = ["ExportConfig", "Exported", "export"]
