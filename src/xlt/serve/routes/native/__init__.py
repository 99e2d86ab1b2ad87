"""Our own routes: classify, choose, tag, answer, similarity, rerank, bitext.

May import `serve.request`.
"""
