"""What people see: tables and progress in a terminal, self-contained HTML pages.

May import `core.errors`, `core.files`.
"""
