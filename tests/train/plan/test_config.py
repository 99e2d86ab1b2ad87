"""Flags: every mistake at once, defaults per kind, the frozen list of options."""

from pathlib import Path

import click
import pytest

import xlt.train
from xlt.core.errors import UsageError
from xlt.core.tasks.table import TASKS
from xlt.train import TrainConfig
from xlt.train.command import train
from xlt.train.plan.hyper import resolve

OPTIONS = """
--model --data --out --pretrain --pretrain-steps --vocab-size --intermediate --target
--train-examples --train-split --task-file --epochs --steps --lr --batch-size --max-length
--warmup --weight-decay --precision --eval-every --patience --save-every --allow-overlap
--resume --force --seed --threads --device --dry-run --json
--config --set --mix --joint --with-mlm --mlm-ratio --translated --control --target-langs
--dev-examples --data-seed --trained-on --part-tokens --keep --gradient-checkpointing --attention
--tensorboard --forgetting
"""


def config(**changes):
    return TrainConfig(**{"model": "m", "data": Path("d"), **changes})


def test_no_option_comes_or_goes_unnoticed():
    given = [p.opts[-1] for p in train.params if isinstance(p, click.Option)]
    assert sorted(given) == sorted(OPTIONS.split())


def test_every_option_reaches_the_configuration_or_the_command():
    names = {p.name for p in train.params} - {"dry_run", "as_json", "recipe"}
    assert names == set(TrainConfig.__dataclass_fields__)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epochs": 0.0}, "--epochs 0.0 must be above 0"),
        ({"steps": 0}, "--steps 0 must be at least 1"),
        ({"lr": 2.0}, "--lr 2.0 must be between 0 and 1"),
        ({"batch_size": 0}, "--batch-size 0"),
        ({"max_length": 4}, "--max-length 4 must be at least 8"),
        ({"warmup": 1.0}, "--warmup 1.0 must be a share"),
        ({"weight_decay": -0.1}, "--weight-decay -0.1"),
        ({"precision": "fp8"}, "--precision 'fp8' is none of fp32, bf16"),
        ({"device": "gpu"}, "--device 'gpu'"),
        ({"train_examples": "ten"}, "--train-examples 'ten'"),
        ({"train_examples": "0%"}, "--train-examples '0%'"),
        ({"train_examples": "101%"}, "--train-examples '101%'"),
        ({"pretrain": ("mlm",)}, "--pretrain needs --model compact"),
        ({"vocab_size": 500}, "--vocab-size needs --model compact"),
        ({"model": "compact", "vocab_size": 20}, "--vocab-size 20"),
        ({"model": "compact", "pretrain": ("mlmm",)}, "did you mean 'mlm'"),
        ({"resume": True, "force": True}, "exclude each other"),
        ({"train_split": (("mnli", Path("a")), ("mnli", Path("b")))}, "'mnli' twice"),
        ({"model": ""}, "--model is empty"),
    ],
)
def test_mistake_names_flag_and_rule(changes, words):
    with pytest.raises(UsageError) as caught:
        config(**changes).check()
    assert words in caught.value.message


def test_all_mistakes_come_at_once():
    with pytest.raises(
        UsageError, match=r"^3 mistakes: .*--lr.*--steps|^3 mistakes: .*--steps.*--lr"
    ):
        config(steps=-1, lr=0.0, device="tpu").check()


@pytest.mark.parametrize("amount", ["1", "5000", "10%", "0.5%", "100%"])
def test_amounts_of_examples(amount):
    config(train_examples=amount).check()


@pytest.mark.parametrize(
    ("changes", "targets"),
    [
        ({}, ("all",)),
        ({"intermediate": ("mnli",)}, ()),
        ({"pretrain": ("mlm",)}, ()),
        ({"pretrain": ()}, ("all",)),
        ({"intermediate": ("mnli",), "target": ("xnli",)}, ("xnli",)),
        ({"target": ()}, ()),
    ],
)
def test_default_targets(changes, targets):
    assert config(**changes).targets == targets


def test_how_a_run_goes_is_not_part_of_what_resume_compares(tmp_path):
    value = config(resume=True, save_every=3, out=Path("x")).to_json()
    assert value == config(force=True).to_json()
    assert value["data"] == str(Path("d").resolve())


def test_flags_override_the_defaults_of_kind_and_encoder():
    large = {"compact": False, "aligned": False}
    small = {"compact": True, "aligned": False}
    task = TASKS["udpos"]
    assert resolve(config(), task, **large).epochs == 10
    assert resolve(config(), TASKS["xquad"], **large).max_length == 384
    assert resolve(config(batch_size=5), task, **small).batch_size == 5
    assert resolve(config(lr=0.5, epochs=0.5), task, **small).lr == 0.5


def test_only_aligned_embeddings_are_frozen():
    for kind in ("xnli", "udpos", "xquad", "hellaswag"):
        task = TASKS[kind]
        assert not resolve(config(), task, compact=False, aligned=False).frozen
        assert not resolve(config(), task, compact=True, aligned=False).frozen
        assert resolve(config(), task, compact=True, aligned=True).frozen


def test_the_configuration_is_read_until_the_plan_is_made_and_no_more():
    room = Path(xlt.train.__file__).parent
    reads = {
        str(path.relative_to(room))
        for path in room.rglob("*.py")
        if "TrainConfig" in path.read_text()
    }
    assert {name for name in reads if not name.startswith("plan/")} == {
        "__init__.py", "average.py", "command.py", "run.py",
    }  # fmt: skip
