"""From rows to predictions: batches, the ONNX session, decoding, the engine.

May import `core.encode`, `core.artifacts`, `core.tasks`, `core.show`.
"""
