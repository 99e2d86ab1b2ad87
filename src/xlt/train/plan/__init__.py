"""From a configuration to the plan of a run, checked before any work.

Loads no PyTorch. May import `core`, `data`, and of `train` the seeds.
"""
