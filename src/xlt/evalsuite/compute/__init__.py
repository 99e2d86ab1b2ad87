"""From a cell's inputs to its predictions and scores; kept when finished.

May import `core`, `data`, `evalsuite.plan`.
"""
