"""From items to rows of token ids, straight on the `tokenizers` library.

May import `core.tasks`.
"""
