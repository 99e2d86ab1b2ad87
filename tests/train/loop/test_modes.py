"""Dropout is on in every step and off in every dev score; what is selected is what is left."""

import numpy as np
import pytest
import torch
from torch import nn

from xlt.core.artifacts.runs import Run
from xlt.train.loop.loop import Job, Micro, run_job

IDS = np.arange(8, dtype=np.int64).reshape(2, 4)


class Net(nn.Module):
    """One score a row, through dropout; it remembers how it was called."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.embedding = nn.Embedding(8, 4)
        self.dropout = nn.Dropout(0.5)
        self.seen = []

    def forward(self, ids):
        self.seen.append(self.training)
        return self.dropout(self.embedding(ids)).sum((1, 2))


def micro(step):
    return Micro(feeds={"input_ids": IDS}, targets=IDS[:, 0] + step, weight=2, examples=2)


@pytest.fixture
def work(tmp_path):
    """work(scores) -> the model after six steps with dev scores after every second, and outcome."""

    def run(scores):
        model, given = Net(), iter(scores)

        def evaluate():
            model(torch.from_numpy(IDS))
            return {"accuracy": next(given)}

        def loss(net, part):
            return ((net(torch.from_numpy(part.feeds["input_ids"])) - 1) ** 2).sum()

        kept = []
        job = Job(
            name="p", model=model, steps=6, batch=lambda step: [micro(step)], loss=loss,
            evaluate=evaluate, metric="accuracy", eval_every=2, lr=1e-2, warmup=0.0,
            keep=lambda step: kept.append(model.embedding.weight.detach().clone()),
        )  # fmt: skip
        with Run.create(tmp_path / "run", {}, force=True, resume=False) as folder:
            outcome = run_job(job, folder)
        return model, kept, outcome

    return run


def test_dropout_is_on_in_every_step_and_off_in_every_dev_score(work):
    model, _, _ = work([1.0, 2.0, 3.0])
    assert model.seen == [True, True, False] * 3


@pytest.mark.parametrize(
    ("scores", "best"), [([1.0, 2.0, 3.0], 6), ([1.0, 3.0, 2.0], 4), ([2.0, 2.0, 1.0], 2)]
)
def test_the_weights_of_the_first_best_dev_score_are_left(work, scores, best):
    model, kept, outcome = work(scores)
    assert outcome.best_step == best and outcome.dev == {"accuracy": max(scores)}
    assert not torch.equal(kept[0], kept[1]) and not torch.equal(kept[1], kept[2])
    assert torch.equal(model.embedding.weight, kept[best // 2 - 1])
