"""The ASGI application above the routes, its documents, and the server process.

May import all of serve but the command.
"""
