"""Results as JSON, tables, submissions and checks.

May import `core`, `evalsuite.plan`, `evalsuite.compute`.
"""
