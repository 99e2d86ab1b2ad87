"""The routes of Hugging Face's text-embeddings-inference.

May import `serve.request`.
"""
