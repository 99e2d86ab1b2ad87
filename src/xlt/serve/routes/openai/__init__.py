"""OpenAI's routes.

May import `serve.request`.
"""
