"""The ground floor: tasks, encoding, inference, metrics, retrieval, files and pages.

Imports no room above it.
"""
