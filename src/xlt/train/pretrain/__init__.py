"""The compact encoder: tokenizer, closed-form start, masked and translation LM.

May import `train.plan`, `train.loop`, `train.models`.
"""
