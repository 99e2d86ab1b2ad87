"""Our own routes: classify, choose, tag, answer, similarity, rerank, bitext.

May import `request` and what is below it, no other protocol.
"""
