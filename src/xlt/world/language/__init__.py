"""What the constructed world talks about, and how its languages say it.

May import `core.errors`, `world.draw`.
"""
