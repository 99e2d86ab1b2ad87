"""One request being answered: the state that handlers share, JSON types, helpers.

May import `serve.compute`, `serve.http`.
"""
