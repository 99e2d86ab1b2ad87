"""OpenAI's routes: embeddings and models.

May import `request` and what is below it, no other protocol.
"""
