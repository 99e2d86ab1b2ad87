"""From PyTorch modules to ONNX graphs.

May import `core`, `export.checkpoint`.
"""
