"""Items of every task, drawn from the world's events; baselines without understanding.

May import `world.language`.
"""
