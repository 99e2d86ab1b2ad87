"""The running server: one frame around every request, tracing, sockets, signals.

May import everything below: `routes`, `request`, `compute`, `http`, settings. Only the commands
import it.
"""
