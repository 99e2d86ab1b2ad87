"""Nearest neighbours, bitext mining and Tatoeba, on vectors that are given.

May import `core.errors` only.
"""
