"""`xlt data fetch`: the hub's data sets, written once into a data root.

May import `core`, and `data` for layouts.
"""
