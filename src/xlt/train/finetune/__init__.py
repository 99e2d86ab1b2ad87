"""Phases on labelled data: fresh heads, gold labels, dev scores, baselines; and where a run starts.

May import `core`, `train.plan`, `train.loop`, `train.pretrain`, and of `train` models and seeds.
"""
