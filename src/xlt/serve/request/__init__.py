"""One request: what handlers read from it, the server's state, and what protocols share.

May import `compute`, `http`, and serve's settings, limits and errors; no route and no server.
"""
