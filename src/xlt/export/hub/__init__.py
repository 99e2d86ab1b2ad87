"""Finished bundles elsewhere: on the hub, and as a module of sentence-transformers.

May import `core`, `cli`.
"""
