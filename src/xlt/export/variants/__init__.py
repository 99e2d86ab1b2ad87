"""Variants of a bundle's graph: 8 bits, half precision; each checked, each measured.

May import `core`, `data`, `export.gate`, `export.graph`, `export.graph.int8`.
"""
