"""int8 graphs: a written fp32 graph becomes one whose large products are in 8 bits.

May import `core`, `core.inference` and `export.graph`; knows nothing of checkpoints and PyTorch.
"""
