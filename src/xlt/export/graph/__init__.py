"""From PyTorch modules to ONNX graphs: cut, pooling, conversion.

May import `core`.
"""
