"""One module a kind of task: encoding, decoding, gold form, columns, scoring form, defaults.

`table` lists them. May import `core.tasks`, `core.encode`, `core.retrieval`.
"""
