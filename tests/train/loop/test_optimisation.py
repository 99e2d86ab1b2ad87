"""What docs/train.md says about the optimisation, each against an independent statement of it.

The model is an embedding, a norm and a linear layer; a step's examples have several labels each,
as sentences have, so that parts of a step weigh differently.

Sentences, and the tests that hold them (here, where no file is named):

| sentence | test |
| --- | --- |
| AdamW, no decay on biases and norms | test_weights_decay_..., test_a_zero_gradient_... |
| warm-up over 10 % of the steps | plan/test_hyper.py: test_the_warm_up_... |
| linear decay to zero | test_learning_rate_rises_and_falls_... |
| gradients clipped to norm 1 | test_gradients_are_clipped_to_norm_one |
| the gradient is that of the whole batch | test_gradient_..., finetune/test_cut_gradient.py |
| batches drawn at random each epoch | test_batches.py: every example once, meet by chance |
| parts cut where padding and fixed cost are smallest | test_batches.py: test_no_cut_is_cheaper |
| bf16 in autocast, weights and moments in fp32 | test_bf16_... |
| AdamW as one fused kernel | test_the_update_is_one_kernel |
| oneDNN on AMD processors, wide layers | test_products.py, test_vocabulary.py |
| not finite: stops with step, examples, checkpoint | test_a_gradient_that_is_not_... |
| a step has one task | test_what_a_step_does_not_use_..., test_mixture.py |
| how often each is drawn; rate, decay, rounds | test_mixture.py, plan/test_hyper.py |
| a mixture of one task is that task | ../test_tasks_together.py |
| masked LM: its share, small languages | plan/test_hyper.py, finetune/test_masking.py |
| weights chosen on English dev | ../test_fit.py: test_best_weights_... |
| embeddings that occur: weights, norm, decay | test_vocabulary.py |
| checkpoints: once a minute, two percent | test_meter.py |
| a step is a function of weights, moments, number | ../test_kills.py |
| several processes: gradients are added | ../test_workers.py |
| gradient checkpointing, attention, parts | ../test_exact.py: test_gradients_do_not_depend_... |
| defaults by kind, compact's | plan/test_hyper.py |
| frozen embeddings stay | test_frozen_..., plan/test_hyper.py |
"""

import json

import numpy as np
import pytest
import torch
from torch import nn
from transformers import get_linear_schedule_with_warmup

from xlt.core.artifacts.runs import Run
from xlt.core.errors import CheckFailed
from xlt.train.loop.loop import Job, Micro, run_job

CLASSES, VOCABULARY, WIDTH = 3, 20, 8
NO_LABEL = -100


class Net(nn.Module):
    """Tokens (B, L) to class scores (B, L, classes); parameters in float64."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(11)
        self.embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, CLASSES)
        with torch.no_grad():
            self.norm.weight.uniform_(0.5, 2.0)
            self.norm.bias.uniform_(-1.0, 1.0)
            self.head.bias.uniform_(-1.0, 1.0)
        self.double()

    def forward(self, ids):
        return self.head(self.norm(self.embedding(ids)))


def examples(step):
    """Eight rows of a step: tokens, labels, one to six labels a row. Later steps are harder."""
    rng = np.random.default_rng(step)
    ids = rng.integers(0, VOCABULARY, (8, 6))
    labels = rng.integers(0, CLASSES, (8, 6))
    for row, count in enumerate((1, 1, 1, 2, 6, 6, 5, 6)):
        labels[row, count:] = NO_LABEL
    return ids, labels


def cut(step, parts):
    """The rows of a step in so many parts, short rows first."""
    ids, labels = examples(step)
    return [
        Micro(feeds={"input_ids": i}, targets=t, weight=int((t != NO_LABEL).sum()), examples=len(i))
        for i, t in zip(np.array_split(ids, parts), np.array_split(labels, parts), strict=True)
    ]


def summed_loss(scale=1.0):
    def loss(model, micro):
        scores = model(torch.from_numpy(micro.feeds["input_ids"]))
        targets = torch.from_numpy(micro.targets).reshape(-1)
        return scale * nn.functional.cross_entropy(
            scores.reshape(-1, CLASSES), targets, ignore_index=NO_LABEL, reduction="sum"
        )

    return loss


def whole_batch_loss(model, step, scale=1.0):
    """The mean over all labels of a step, its rows at once."""
    ids, labels = map(torch.from_numpy, examples(step))
    scores = model(ids).reshape(-1, CLASSES)
    return scale * nn.functional.cross_entropy(scores, labels.reshape(-1), ignore_index=NO_LABEL)


@pytest.fixture
def train(tmp_path):
    """train(...) -> weights after our loop, by name."""

    def work(steps=8, parts=3, scale=1.0, model=None, **settings):
        model = model or Net()
        job = Job(
            name="p", model=model, steps=steps, batch=lambda step: cut(step, parts),
            **{"loss": summed_loss(scale), "lr": 1e-2, "warmup": 0.25, **settings},
        )  # fmt: skip
        with Run.create(tmp_path / "run", {}, force=True, resume=False) as run:
            run_job(job, run)
        return {name: weight.detach().clone() for name, weight in model.named_parameters()}

    return work


def transformers_schedule(rising, steps):
    """Shares of the peak rate. Our warm-up is one step ahead: it begins above zero and its last
    step has the peak; from then on both are the same."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    share = get_linear_schedule_with_warmup(optimizer, rising, steps).lr_lambdas[0]
    return [share(step + 1 if step < rising else step) for step in range(steps)]


def reference(steps=8, scale=1.0, lr=1e-2, warmup=0.25, weight_decay=0.0, clip=1.0, until=None):
    """The same training with torch's AdamW on two groups and transformers' schedule."""
    model = Net()
    decayed = [model.embedding.weight, model.head.weight]
    others = [model.norm.weight, model.norm.bias, model.head.bias]
    optimizer = torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=lr,
    )
    rising = int(warmup * steps)
    share = transformers_schedule(rising, steps)
    for step in range(steps if until is None else until):
        for group in optimizer.param_groups:
            group["lr"] = lr * share[step]
        optimizer.zero_grad()
        whole_batch_loss(model, step, scale).backward()
        if clip is not None:
            norm = torch.sqrt(sum((p.grad**2).sum() for p in model.parameters()))
            for parameter in model.parameters():
                parameter.grad *= min(1.0, clip / float(norm))
        optimizer.step()
    return {name: weight.detach() for name, weight in model.named_parameters()}


def assert_equal(got, expected):
    for name, weight in expected.items():
        torch.testing.assert_close(
            got[name], weight, rtol=0, atol=1e-6, msg=lambda m, n=name: n + m
        )


def differ(one, other):
    return any((one[name] - other[name]).abs().max() > 1e-4 for name in one)


def test_gradient_is_that_of_the_whole_batch_however_it_is_cut(train):
    expected = reference()
    for parts in (1, 3, 8):
        assert_equal(train(parts=parts), expected)


def test_gradients_are_clipped_to_norm_one(train):
    # AdamW forgets a factor that all steps have in common: only gradients of unequal norm tell.
    expected, free = reference(scale=4.0), reference(scale=4.0, clip=None)
    assert differ(expected, free), "the case cannot tell"
    assert_equal(train(scale=4.0), expected)


def test_weights_decay_and_biases_and_norms_do_not(train):
    expected = reference(weight_decay=0.5)
    assert differ(expected, reference()), "the case cannot tell"
    got = train(weight_decay=0.5)
    assert_equal(got, expected)


def test_a_zero_gradient_leaves_biases_and_norms_alone_and_shrinks_matrices(train):
    """By hand: w <- w (1 - rate x decay) in every step."""
    start = dict(Net().named_parameters())
    got = train(steps=4, scale=0.0, warmup=0.25, weight_decay=0.5)
    left = 1.0
    for share in (1.0, 1.0, 2 / 3, 1 / 3):
        left *= 1 - 1e-2 * share * 0.5
    for name, weight in start.items():
        factor = left if weight.ndim > 1 else 1.0
        torch.testing.assert_close(got[name], weight.detach() * factor, rtol=1e-12, atol=0)


@pytest.mark.parametrize(("steps", "warmup"), [(10, 0.1), (20, 0.25), (7, 0.0), (9, 0.5)])
def test_learning_rate_rises_and_falls_as_transformers_schedule(
    train, tmp_path, monkeypatch, steps, warmup
):
    used = []
    true = torch.optim.AdamW.step

    def step(self, *arguments):
        used.append([group["lr"] for group in self.param_groups])
        return true(self, *arguments)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    train(steps=steps, warmup=warmup, lr=0.3, weight_decay=0.1)
    rising = int(np.ceil(warmup * steps))
    expected = [0.3 * share for share in transformers_schedule(rising, steps)]
    assert len(used) == steps
    assert all(
        rates == pytest.approx([rate] * 2) for rates, rate in zip(used, expected, strict=True)
    )
    log = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert log[-1]["lr"] == pytest.approx(expected[-1])


def test_slow_parameters_follow_the_same_schedule_at_their_share(train):
    """By hand: without a gradient only decay moves a weight, by its own rate."""
    start = dict(Net().named_parameters())
    got = train(steps=2, scale=0.0, warmup=0.0, weight_decay=0.5, slow={"embedding": 0.1})
    for name, share in (("embedding.weight", 0.1), ("head.weight", 1.0)):
        left = (1 - 1e-2 * share * 0.5) * (1 - 1e-2 * share * 0.5 / 2)
        torch.testing.assert_close(got[name], start[name].detach() * left, rtol=1e-12, atol=0)


@pytest.fixture
def updates(monkeypatch):
    """Optimizers, as they are at every update."""
    seen = []
    true = torch.optim.AdamW.step

    def step(self, *arguments):
        done = true(self, *arguments)
        seen.append(self)
        return done

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    return seen


def test_bf16_multiplies_in_bf16_and_keeps_weights_and_moments_in_fp32(train, updates):
    model, products = Net().float(), set()
    model.head.register_forward_hook(lambda module, given, out: products.add(out.dtype))
    got = train(steps=3, model=model, bf16=True)
    assert products == {torch.bfloat16}
    assert {weight.dtype for weight in got.values()} == {torch.float32}
    moments = [value for state in updates[-1].state.values() for value in state.values()]
    assert moments and {value.dtype for value in moments} == {torch.float32}
    full = train(steps=3, model=Net().float(), bf16=False)
    assert differ(got, full), "autocast changed nothing"
    for name, weight in full.items():  # bf16 has 8 bits: near, and no further
        torch.testing.assert_close(got[name], weight, rtol=0.05, atol=0.05)


def test_the_update_is_one_kernel(train, updates):
    train(steps=1)
    assert {group["fused"] for group in updates[-1].param_groups} == {True}


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_stops_before_the_weights_change(train, bad, tmp_path):
    """The loss alone does not tell: here it is finite."""
    model, start = Net(), dict(Net().named_parameters())
    steps = []

    def loss(net, micro):
        steps.append(1)
        value = summed_loss()(net, micro)
        if len(steps) == 3 * 3 + 1:  # the first part of the fourth step
            value.register_hook(lambda gradient: gradient * bad)
        return value

    with pytest.raises(CheckFailed, match="in step 4 of p") as caught:
        train(model=model, loss=loss, named=lambda step: f"examples of {step}", save_every=3)
    assert "examples of 3" in caught.value.message and caught.value.exit_code == 5
    assert "step-000000003" in caught.value.hint
    expected = reference(until=3)
    assert differ(expected, start)
    assert_equal({n: p.detach() for n, p in model.named_parameters()}, expected)


def test_what_a_step_does_not_use_stays_as_it_is(train):
    """A head of another task gets no decay and no moments in a step of this one."""
    model = Net()
    model.other = nn.Linear(WIDTH, 2).double()
    start = model.other.weight.detach().clone()
    train(model=model, weight_decay=0.5)
    assert torch.equal(model.other.weight, start)


def test_frozen_embeddings_stay_to_the_bit(train):
    model = Net()
    model.embedding.requires_grad_(False)
    start = model.embedding.weight.detach().clone()
    got = train(model=model, weight_decay=0.5)
    assert torch.equal(got["embedding.weight"], start) and differ(
        got, dict(Net().named_parameters())
    )
