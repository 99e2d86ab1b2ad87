"""The HTTP client of `xlt serve`; standard library only.

May import `core.errors`.
"""
