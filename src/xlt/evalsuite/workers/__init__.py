"""Where cells are computed: in this process, or by the workers of a Ray cluster.

May import `core`, `data`, `evalsuite.plan`, `evalsuite.compute`. A worker gives back what it found;
only the process that was called writes into the results folder.
"""
