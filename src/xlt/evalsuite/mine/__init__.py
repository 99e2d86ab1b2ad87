"""Mining translation pairs from two text files of any size; what `xlt mine` runs.

May import `core` and `evalsuite.compute`.
"""
