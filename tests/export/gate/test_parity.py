"""The gate's arithmetic: what counts as a difference, and that it can fail."""

import numpy as np
import pytest
import torch

from xlt.core.encode.encoder import Encoder
from xlt.core.tasks.table import TASKS
from xlt.export.gate.parity import Batch, compare, make_batches, reference
from xlt.export.gate.probe import probe_items

EXAMPLE = {"pair": "xnli", "choice": "csqa", "tag": "udpos", "span": "xquad", "embed": "tatoeba"}


def one_batch(mask):
    mask = np.array(mask)
    feeds = {"input_ids": np.ones_like(mask), "attention_mask": mask}
    return [Batch(feeds=feeds, names=tuple(f"row{n}" for n in range(len(mask))))]


def check(kind, truth, got, mask=((1, 1, 1), (1, 1, 0))):
    outputs = {"logits": np.array(got)}
    return compare(lambda feeds: outputs, one_batch(mask), [{"logits": np.array(truth)}], kind=kind)


def test_equal_answers_pass():
    found = check("pair", [[1.0, 2.0], [3.0, 1.0]], [[1.0, 2.0], [3.0, 1.0005]])
    assert found.passed
    assert (found.predictions, found.clear, found.changed) == (2, 2, 0)
    assert found.worst[0][0] == "row1"
    assert found.max_difference == pytest.approx(5e-4)


def test_a_difference_over_the_limit_fails_and_names_the_input():
    found = check("pair", [[1.0, 2.0], [3.0, 1.0]], [[1.0, 2.002], [3.0, 1.0]])
    assert not found.passed
    assert found.worst[0] == ("row0", pytest.approx(2e-3))


def test_a_close_call_may_flip_and_a_clear_one_may_not():
    flipped = check("pair", [[1.0, 1.0004], [3.0, 1.0]], [[1.0003, 1.0], [3.0, 1.0]])
    assert flipped.passed
    assert (flipped.clear, flipped.changed) == (1, 0)
    assert check("pair", [[1.0, 1.2], [3.0, 1.0]], [[1.2, 1.0], [3.0, 1.0]]).changed == 1


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_not_a_number_fails(bad):
    found = check("pair", [[1.0, 2.0], [3.0, 1.0]], [[1.0, bad], [3.0, 1.0]])
    assert not found.passed
    assert found.worst[0][0] == "row0"
    assert isinstance(found.to_json()["max_difference"], str)  # JSON knows no such number


def test_padding_is_not_compared_for_tags_and_spans():
    truth = np.zeros((2, 3, 2))
    got = truth.copy()
    got[1, 2] = 9.0  # a padding position
    assert check("tag", truth, got).passed
    got[1, 1] = 9.0
    assert not check("tag", truth, got).passed


def test_embeddings_are_compared_by_angle_and_both_outputs_count():
    mask = ((1, 1), (1, 0))
    hidden = np.array([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 2.0], [9.0, 9.0]]])
    vectors = np.array([[1.0, 0.0], [0.0, 1.0]])
    expected = [{"sentence_embedding": vectors}]

    def run(sentence, last):
        outputs = {"sentence_embedding": sentence, "last_hidden_state": last}
        return compare(
            lambda feeds: outputs, one_batch(mask), expected, kind="embed", pooling="mean"
        )

    assert run(vectors, hidden).passed
    turned = vectors.copy()
    turned[0] = [0.99, 0.14]
    assert not run(turned, hidden).passed
    wrong = hidden.copy()
    wrong[1, 0] = [2.0, 0.0]
    found = run(vectors, wrong)
    assert not found.passed
    assert found.worst[0][0] == "row1"


def test_cosines_after_the_mean_is_taken_off_show_what_a_common_part_hides():
    truth = np.array([[100.0, 1.0, 0.0], [100.0, -1.0, 0.0]])
    turned = np.array([[100.0, 0.0, 1.0], [100.0, 0.0, -1.0]])
    expected = [{"sentence_embedding": truth / np.linalg.norm(truth, axis=1, keepdims=True)}]

    def run(rows):
        outputs = {
            "sentence_embedding": rows / np.linalg.norm(rows, axis=1, keepdims=True),
            "last_hidden_state": rows[:, None].repeat(2, axis=1),
        }
        batch = one_batch(((1, 1), (1, 1)))
        return compare(lambda feeds: outputs, batch, expected, kind="embed", pooling="mean")

    same, other = run(truth), run(turned)
    assert same.min_centred_cosine == pytest.approx(1.0)
    assert other.min_cosine > 0.9998
    assert other.min_centred_cosine < 0.01
    assert other.to_json()["min_centred_cosine"] == other.min_centred_cosine


@pytest.mark.parametrize("kind", EXAMPLE)
def test_probe_has_padding_full_length_and_many_shapes(checkpoints, kind):
    task = TASKS[EXAMPLE[kind]]
    encoder = Encoder.load(checkpoints(), max_length=task.max_length)
    batches = make_batches(encoder, kind, probe_items(task, encoder.max_length))
    names = [name for batch in batches for name in batch.names]
    assert len({name.split("/")[1] for name in names}) >= 12
    assert len({batch.shape for batch in batches}) >= 4
    assert min(batch.shape[-1] for batch in batches) < 60
    assert max(batch.shape[-1] for batch in batches) > 100
    padded = [b for b in batches if (b.feeds["attention_mask"] == 0).any()]
    assert len(padded) > len(batches) // 2
    assert batches[0].shape[0] == 1


def test_reference_is_deterministic_although_the_model_came_in_training_mode(checkpoints):
    from transformers import AutoModelForSequenceClassification

    folder = checkpoints()
    model = AutoModelForSequenceClassification.from_pretrained(folder).train()
    encoder = Encoder.load(folder)
    batches = make_batches(encoder, "pair", probe_items(TASKS["xnli"], 40)[:4])
    inputs = ["input_ids", "attention_mask"]
    first, second = (
        reference(model, batches, outputs=("logits",), inputs=inputs) for _ in range(2)
    )
    for one, two in zip(first, second, strict=True):
        assert np.array_equal(one["logits"], two["logits"])
    assert not torch.is_grad_enabled() or not model.training
