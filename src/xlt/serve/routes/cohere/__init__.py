"""Cohere's routes, v1 and v2: embed and rerank.

May import `request` and what is below it, no other protocol.
"""
