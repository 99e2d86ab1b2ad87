"""The command line: the lazy group, shared options, and the verbs without a stage.

May import `core`, `data`; stages are named as strings.
"""
