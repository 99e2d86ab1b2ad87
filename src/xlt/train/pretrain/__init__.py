"""The compact encoder: tokenizer, closed-form start, masked and translation LM.

May import `core`, `data`, `train.plan`, `train.loop`, and of `train` the seeds.
"""
