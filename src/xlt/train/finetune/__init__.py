"""Phases on labelled data: heads, gold labels, dev scores, baselines.

May import `train.plan`, `train.loop`, `train.models`.
"""
