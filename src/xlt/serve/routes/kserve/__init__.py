"""KServe v2, the Open Inference Protocol, in JSON and binary.

`signatures` says which tensors each kind of model has. May import `request` and what is below it,
no other protocol.
"""
