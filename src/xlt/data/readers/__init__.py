"""One reader a kind of file, from published formats to examples.

May import `core`, `data.records`.
"""
