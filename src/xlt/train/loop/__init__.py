"""The training loop: batches, optimiser, checkpoints; one code for every phase.

May import `core` (no tasks, no kinds, no metrics), and of `train` models and seeds.
"""
