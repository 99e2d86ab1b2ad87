"""What a checkpoint folder holds: its kind, its labels, and its weights once they are loaded.

May import `core`.
"""
