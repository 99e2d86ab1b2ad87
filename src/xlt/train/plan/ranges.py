"""Which numbers make sense in a configuration, worded with the flag."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xlt.core.errors import did_you_mean

__all__ = ["HYPER", "WHOLE", "ranges", "settings_mistakes"]

SMALLEST_VOCABULARY = 300

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
    """Numbers of a configuration that are outside what makes sense."""
    found = []
    for name, (holds, rule) in RULES.items():
        value = getattr(config, name)
        if value is not None and not holds(value):
            found.append(f"--{name.replace('_', '-')} {value} must be {rule}")
    return found


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
