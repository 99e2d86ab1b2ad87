"""Handlers, one folder a protocol, and the one table of routes above them.

May import `serve.request` and what is below it.
"""
