"""From rows to predictions: batches, the ONNX session, decoding, the engine.

May import `core.kinds`, `core.encode`, `core.metrics`, `core.retrieval`, `core.artifacts`,
`core.tasks`, `core.show`.
"""
