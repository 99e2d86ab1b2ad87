"""Results as JSON, tables, submissions and checks.

May import `evalsuite.plan`, `evalsuite.compute`.
"""
