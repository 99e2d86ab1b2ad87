"""Bytes in and out: the HTTP/1.1 protocol, bodies, the request log.

May import serve's settings, limits and errors.
"""
