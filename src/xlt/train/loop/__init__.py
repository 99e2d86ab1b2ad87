"""The training loop: batches, optimiser, checkpoints; one code for every phase.

May import `core`, `train.models`, `train.seeds`.
"""
