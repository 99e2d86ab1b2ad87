"""Hyper-parameters as docs/train.md states them."""

import re
from pathlib import Path

import pytest

from xlt.core.tasks.table import TASKS
from xlt.train import TrainConfig
from xlt.train.plan.hyper import of_phase, resolve
from xlt.train.plan.mix import draws

DOCS = (Path(__file__).parents[3] / "docs/train.md").read_text()
EXAMPLE = {"pair": "xnli", "choice": "hellaswag", "tag": "udpos", "span": "squad"}


def hyper(task, *, compact=False, aligned=False, **flags):
    config = TrainConfig(**{"model": "m", "data": Path("d"), **flags})
    return resolve(config, TASKS[task], compact=compact, aligned=aligned)


def rows():
    """kind -> cells of the table of defaults."""
    lines = re.findall(r"^\| (pair|choice|tag|span) \| (.+) \|$", DOCS, re.M)
    return {kind: cells.split(" | ") for kind, cells in lines}


@pytest.mark.parametrize("kind", list(EXAMPLE))
def test_the_table_of_defaults_is_what_is_used(kind):
    lr, epochs, batch, decay = rows()[kind]
    got = hyper(EXAMPLE[kind])
    assert (got.lr, got.batch_size, got.weight_decay) == (float(lr), int(batch), float(decay))
    named = re.findall(
        r"([a-z0-9+, ]+?) (\d+)(?:,|$)", epochs.removeprefix("by task: ").replace(" and", ",")
    )
    stated = {task: int(n) for tasks, n in named for task in re.findall(r"[a-z0-9+]+", tasks)}
    targets = stated.pop("targets", None)
    if targets is not None:
        stated |= dict.fromkeys(("xquad", "mlqa", "tydiqa"), targets)
    assert {task: hyper(task).epochs for task in stated} == stated
    known = {name for name, task in TASKS.items() if task.kind == kind and task.suite == "xtreme"}
    assert known <= stated.keys() or kind == "choice"


def test_the_warm_up_is_a_tenth_of_the_steps():
    assert {hyper(task).warmup for task in EXAMPLE.values()} == {0.1}
    assert {hyper(task, compact=True).warmup for task in EXAMPLE.values()} == {0.1}


def test_compact_encoders_with_aligned_embeddings():
    """1e-3 over 4 epochs (questions 3; pairs 7e-4; PAWS-X 3e-4 over 5), dropout left alone."""
    got = {task: hyper(task, compact=True, aligned=True) for task in (*EXAMPLE.values(), "pawsx")}
    assert {task: (one.lr, one.epochs) for task, one in got.items()} == {
        "xnli": (7e-4, 4), "hellaswag": (1e-3, 4), "udpos": (1e-3, 4), "squad": (1e-3, 3),
        "pawsx": (3e-4, 5),
    }  # fmt: skip
    assert all(one.frozen and one.dropout is None for one in got.values())


def test_compact_encoders_without_parallel_text():
    """Trained embeddings, with dropout; tagging takes 3e-3 and 8 epochs."""
    got = {task: hyper(task, compact=True) for task in EXAMPLE.values()}
    assert all(not one.frozen and one.dropout > 0 for one in got.values())
    assert (got["udpos"].lr, got["udpos"].epochs) == (3e-3, 8)


def test_a_mixture_takes_the_smallest_rate_and_decay_over_three_rounds():
    config = TrainConfig(model="m", data=Path("d"))
    parts = [hyper("squad"), hyper("hellaswag"), hyper("xnli")]
    got = of_phase(config, parts, name="1-squad+hellaswag+xnli", target=False)
    assert (got.lr, got.weight_decay, got.epochs) == (1e-5, 0.0, 3.0)


def test_a_target_with_joint_tasks_takes_its_own_epochs():
    config = TrainConfig(model="m", data=Path("d"))
    got = of_phase(config, [hyper("udpos"), hyper("mnli")], name="udpos", target=True)
    assert got.epochs == 10


class Sized:
    def __init__(self, size, share=None):
        self.size, self.share = size, share


def test_masked_lm_takes_a_fifth_of_the_steps_by_default(root, models_of, tmp_path):
    from xlt.train.plan.plan import make_plan

    plan = make_plan(
        TrainConfig(
            model=str(models_of("bert")), data=root, out=tmp_path, intermediate=("mnli",),
            with_mlm=True, batch_size=1,
        )
    )  # fmt: skip
    parts = plan.intermediate[0].parts
    mnli, mlm = draws("proportional", parts, [part.batches for part in parts])
    assert mnli == 54 and mlm / (mnli + mlm) == pytest.approx(0.2, abs=0.01)


def test_shares_of_the_mixtures_are_those_of_the_formulas():
    """Independent of how batches are counted: one example a batch."""
    sizes = (100, 10_000)
    parts = [Sized(size) for size in sizes]
    assert draws("proportional", parts, sizes) == list(sizes)
    assert draws("cap:500", parts, sizes) == [min(size, 500) for size in sizes]
    got = draws("temperature:2", parts, sizes)
    assert got[1] / got[0] == pytest.approx((sizes[1] / sizes[0]) ** 0.5, rel=0.01)
