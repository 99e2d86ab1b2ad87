"""What is fitted or chosen for a sentence encoder on text: its block, and a mean to take away.

May import `core`, `data`.
"""
