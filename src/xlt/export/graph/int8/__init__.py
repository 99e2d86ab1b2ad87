"""int8 graphs: a written fp32 graph becomes one whose large products are in 8 bits.

May import `core` and `core.inference`; knows nothing of checkpoints and PyTorch.
"""
