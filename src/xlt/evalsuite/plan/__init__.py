"""Which cells an evaluation has, from which bundles and files.

May import `core`, `data`.
"""
