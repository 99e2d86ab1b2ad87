"""The flags of `xlt train` that a study file may hold, and which trainings they concern.

A test holds this table against the command itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from xlt.core.tasks.ranges import CONTROLS, settings_mistakes, value_mistake
from xlt.study.file.tree import Node

__all__ = ["ARM", "CONTROLS", "FLAGS", "ONCE", "read_flag"]

AMOUNT = re.compile(r"[1-9]\d*|(100|[1-9]?\d(\.\d+)?)%")
# name -> what its value is
FLAGS = {
    "config": "str", "model": "str", "pretrain": "names", "pretrain_steps": "int",
    "vocab_size": "int",
    "trained_on": "str", "seed": "int",
    "mix": "str", "with_mlm": "bool", "mlm_ratio": "float", "translated": "names",
    "forgetting": "bool",
    "target_langs": "names", "train_examples": "amount", "dev_examples": "int",
    "train_split": "files", "task_file": "names", "epochs": "float", "steps": "int",
    "lr": "float", "batch_size": "int", "max_length": "int", "warmup": "float",
    "weight_decay": "float", "set": "settings", "precision": "str", "part_tokens": "int",
    "gradient_checkpointing": "bool", "attention": "str", "eval_every": "int",
    "patience": "int", "keep": "int", "allow_overlap": "bool",
}  # fmt: skip
# Of the first training alone: what everything starts from.
ONCE = frozenset({"model", "pretrain", "pretrain_steps", "vocab_size", "trained_on", "seed"})
# Of intermediate phases alone.
ARM = frozenset({"mix", "with_mlm", "mlm_ratio", "translated", "forgetting"})


def read_flag(name: str, node: Node) -> Any:
    """The value of a flag as it stands on a command line, or None for "not given".

    Returns:
        A str, a bool, or a tuple of str (one word each for a flag that may repeat).

    Raises:
        ValueError: says what is wrong with the value.
    """
    if node.value is None:
        return None
    found = READ[FLAGS[name]](node)
    wrong = ""
    if FLAGS[name] in {"int", "float"}:
        wrong = value_mistake(name, int(found) if FLAGS[name] == "int" else float(found))
    elif name == "pretrain":
        wrong = "" if found == "none" else value_mistake(name, found.split(","))
    elif FLAGS[name] == "str":
        wrong = value_mistake(name, found)
    elif name == "set":
        parts = (entry.partition("=") for entry in found)
        scoped = [(*scope.rpartition(".")[::2], float(value)) for scope, _, value in parts]
        wrong = "; ".join(settings_mistakes(scoped))
    if wrong:
        raise ValueError(wrong)
    return found


def _text(node: Node) -> str:
    if isinstance(node.value, dict | list):
        raise ValueError("one value is needed")
    return str(node.value)


def _whole(node: Node) -> str:
    number = _real(node)
    if float(number) != int(float(number)):
        raise ValueError(f"{node.value!r} is not a whole number")
    return str(int(float(number)))


def _real(node: Node) -> str:
    value = node.value
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        return f"{float(value):g}" if not isinstance(value, int) else str(value)
    except ValueError as error:
        raise ValueError(f"{node.plain()!r} is not a number") from error


def _switch(node: Node) -> bool | None:
    if not isinstance(node.value, bool):
        raise ValueError(f"{node.plain()!r} is neither true nor false")
    return node.value or None


def _names(node: Node) -> str:
    if isinstance(node.value, dict):
        raise ValueError("a list of names is needed")
    return ",".join(str(item.value) for item in node.items) or "none"


def _amount(node: Node) -> str:
    text = _text(node)
    if not AMOUNT.fullmatch(text) or not float(text.rstrip("%")):
        raise ValueError(f"{text!r} is neither a number of examples nor a percentage")
    return text


def _files(node: Node) -> tuple[str, ...]:
    if not isinstance(node.value, dict):
        raise ValueError("a mapping of tasks to files is needed")
    return tuple(f"{task}={_text(file)}" for task, file in node.fields.items())


def _settings(node: Node) -> tuple[str, ...]:
    if not isinstance(node.value, dict):
        raise ValueError("a mapping of tasks or kinds to hyper-parameters is needed")
    found = []
    for scope, values in node.fields.items():
        if not isinstance(values.value, dict):
            raise ValueError(f"{scope}: a mapping of hyper-parameters to numbers is needed")
        found += [f"{scope}.{name}={_real(value)}" for name, value in values.fields.items()]
    return tuple(found)


READ: dict[str, Callable[[Node], Any]] = {
    "str": _text, "int": _whole, "float": _real, "bool": _switch, "names": _names,
    "amount": _amount, "files": _files, "settings": _settings,
}  # fmt: skip
