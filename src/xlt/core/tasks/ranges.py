"""Which values make sense in the configuration of a training.

The trainer checks its flags by it, a study file what it will give to the trainer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from xlt.core.errors import did_you_mean

__all__ = [
    "CONTROLS",
    "HYPER",
    "OBJECTIVES",
    "WHOLE",
    "ranges",
    "settings_mistakes",
    "value_mistake",
]

SMALLEST_VOCABULARY = 300
OBJECTIVES = ("svd", "mlm", "tlm")
CONTROLS = ("mlm", "shuffled", "fake", "longer")
WORDS = {"precision": ("fp32", "bf16"), "attention": ("sdpa", "eager")}
MIX = re.compile(r"proportional|cap:[1-9]\d*|temperature:\d+(\.\d+)?")

Rule = tuple[Callable[[float], bool], str]


def _at_least(least: int) -> Rule:
    return (lambda value: value >= least), f"at least {least}"


def _seed() -> Rule:
    return (lambda value: 0 <= value < 2**31), "0 to 2147483647"


# Hyper-parameters: as flags for every phase, and in settings of one.
HYPER: dict[str, Rule] = {
    "lr": ((lambda value: 0 < value < 1), "between 0 and 1"),
    "epochs": ((lambda value: value > 0), "above 0"),
    "steps": _at_least(1),
    "batch_size": _at_least(1),
    "max_length": _at_least(8),
    "warmup": ((lambda value: 0 <= value < 1), "a share of the steps, 0 <= share < 1"),
    "weight_decay": ((lambda value: value >= 0), "0 or more"),
    "eval_every": _at_least(1),
    "patience": _at_least(1),
    "dropout": ((lambda value: 0 <= value < 1), "a share, 0 <= share < 1"),
}
WHOLE = ("steps", "batch_size", "max_length", "eval_every", "patience")
RULES: dict[str, Rule] = {
    "pretrain_steps": _at_least(1),
    "vocab_size": ((lambda v: v >= SMALLEST_VOCABULARY), f">= {SMALLEST_VOCABULARY}"),
    **{name: rule for name, rule in HYPER.items() if name != "dropout"},
    "save_every": _at_least(1),
    "part_tokens": _at_least(1),
    "keep": _at_least(1),
    "dev_examples": _at_least(1),
    "mlm_ratio": ((lambda value: 0 < value < 1), "a share of the steps, 0 < share < 1"),
    "threads": _at_least(1),
    "seed": _seed(),
    "data_seed": _seed(),
}


def ranges(config: object) -> list[str]:
    """Values of a configuration that are outside what makes sense, worded with the flag."""
    found = []
    for name in (*RULES, *WORDS, "mix", "pretrain"):
        value = getattr(config, name)
        if value is not None and (wrong := value_mistake(name, value)):
            found.append(f"--{name.replace('_', '-')} {wrong}")
    return found


def value_mistake(name: str, value: Any) -> str:
    """What is wrong with the value of a flag; empty where nothing is, or no rule is known.

    Args:
        name: of the flag, spelled with underscores.
        value: a number, a word, or of `pretrain` the words.
    """
    if name in RULES:
        holds, rule = RULES[name]
        return "" if holds(value) else f"{value} must be {rule}"
    if name in WORDS and value not in WORDS[name]:
        return f"{value!r} is none of {', '.join(WORDS[name])}"
    if name == "mix" and not _is_mix(value):
        return f"{value!r} is none of proportional, cap:N, temperature:T"
    for word in value if name == "pretrain" else ():
        if word not in OBJECTIVES:
            near = did_you_mean(word, OBJECTIVES)
            return f"{word!r} is none of {', '.join(OBJECTIVES)}, none{near}"
    return ""


def _is_mix(text: str) -> bool:
    if not MIX.fullmatch(text):
        return False
    return not text.startswith("temperature") or float(text.partition(":")[2]) > 0


def settings_mistakes(settings: Sequence[tuple[str, str, float]]) -> list[str]:
    """Settings of one phase that are unknown or outside what makes sense."""
    found = []
    for scope, name, value in settings:
        if name not in HYPER:
            near = did_you_mean(name, HYPER)
            found.append(f"--set {scope}.{name}: no such hyper-parameter{near}")
        elif name in WHOLE and value != int(value):
            found.append(f"--set {scope}.{name}={value:g} must be a whole number")
        elif not HYPER[name][0](value):
            found.append(f"--set {scope}.{name}={value:g} must be {HYPER[name][1]}")
    return found
