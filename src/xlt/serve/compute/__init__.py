"""Models and the machinery that computes for them: queue, worker, warm-up, memory, metrics.

May import `core`, and serve's settings, limits and errors; knows nothing of HTTP.
"""
