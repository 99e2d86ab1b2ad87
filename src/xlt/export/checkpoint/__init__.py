"""What a folder of weights is, its labels, and its weights in memory.

May import `core`.
"""
