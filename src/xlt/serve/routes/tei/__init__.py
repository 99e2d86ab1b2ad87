"""The routes of Hugging Face's text-embeddings-inference.

May import `request` and what is below it, no other protocol.
"""
