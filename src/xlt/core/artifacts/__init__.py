"""Folders that verbs hand to each other: runs and bundles.

May import `core.tasks`, `core.kinds`.
"""
