"""Gradients do not depend on how a step is cut into parts, for every kind of task."""

import numpy as np
import pytest
import torch

from xlt.core.encode.encoder import Encoder
from xlt.core.tasks.table import TASKS
from xlt.data import DataRoot, training_sets
from xlt.train.finetune.kinds import encode_labelled
from xlt.train.finetune.scoring import task_loss
from xlt.train.loop.batches import micros
from xlt.train.models import fresh_head

# tokens of a part, and what a part costs: many parts, some, one
CUTS = ((60, 1), (400, 48), (16384, 10**6))


@pytest.mark.parametrize("family", ["xlm-roberta", "bert", "deberta-v2", "modernbert"])
@pytest.mark.parametrize("name", ["xnli", "hellaswag", "udpos", "squad"])
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_the_gradient_of_a_step_is_that_of_its_whole_batch(
    name, family, dtype, bound, root, models_of
):
    task = TASKS[name]
    folder = models_of(family)
    encoder = Encoder.load(folder, max_length=48)
    examples = training_sets(DataRoot(root), task, seed=1).train.examples[:24]
    data = encode_labelled(encoder, task, examples)
    model = fresh_head(folder, task, 5, 0.0).to(dtype).eval()
    found = []
    for limit, cost in CUTS:
        parts = micros(data, np.arange(len(data.rows)), encoder.pad_id, limit, cost)
        weight = sum(part.weight for part in parts)
        model.zero_grad()
        for part in parts:
            (task_loss(model, part) / weight).backward()
        grads = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
        found.append((len(parts), torch.cat(grads)))
    assert found[0][0] > 1 == found[2][0]
    whole = found[2][1]
    assert float(whole.norm()) > 0
    for _, gradient in found[:2]:
        assert float((gradient - whole).norm() / whole.norm()) <= bound
