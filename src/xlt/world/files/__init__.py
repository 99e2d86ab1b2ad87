"""A world as a data root in the official file formats.

May import `world.tasks`, `world.language`.
"""
