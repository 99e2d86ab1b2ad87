"""Bytes in and out: the HTTP/1.1 protocol, bodies, the request log.

May import `core`, and serve's settings, limits and errors; knows nothing of models.
"""
