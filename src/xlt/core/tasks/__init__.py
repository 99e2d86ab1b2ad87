"""The tables: tasks, languages, and the records that readers yield.

May import `core.errors` and `core.files`.
"""
