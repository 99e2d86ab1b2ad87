"""The gate that every bundle passes: what it reads, and how two models are compared.

May import `core`, `data`.
"""
