"""The files of a bundle beside its graphs: for people, for other tools, for the playground.

May import `core`, `data`.
"""
