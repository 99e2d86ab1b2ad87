"""Checkpoints to ONNX bundles, held against PyTorch: `xlt.export.export(checkpoint, ...)`."""

from xlt.export.exporting import Exported, export

__all__ = ["Exported", "export"]
