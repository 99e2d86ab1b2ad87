"""KServe v2, the Open Inference Protocol, in JSON and binary.

May import `serve.request`.
"""
