"""From a configuration to the plan of a run, checked before any work.

May import `core`, `data`.
"""
