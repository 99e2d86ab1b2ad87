"""Scores of every task to the last digit, and the official prediction files.

May import `core.tasks`, `core.kinds`.
"""
