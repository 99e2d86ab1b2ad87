"""Recipes: a configuration in YAML, shipped ones by name, and what a run writes back.

The keys are the flags of `xlt train` (with `_` or `-`), and `set`, which holds hyper-parameters
of one phase, target, task or kind:

    model: xlm-roberta-base
    intermediate: [mnli]
    set:
      pair: {lr: 1e-5}
      1-mnli: {epochs: 2, batch_size: 24}

Flags of the command line override the file, `--set` overrides both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from importlib import resources
from pathlib import Path
from typing import Any

from xlt.core.errors import DataError, UsageError, did_you_mean
from xlt.core.extras import needs
from xlt.core.files import read_text, write_atomic
from xlt.core.kinds.table import KINDS
from xlt.core.tasks.ranges import HYPER
from xlt.data import DataRoot
from xlt.train.plan.config import TrainConfig
from xlt.train.plan.phases import Phase

__all__ = [
    "RECIPE",
    "check_scopes",
    "read_recipe",
    "read_settings",
    "shipped",
    "with_flags",
    "write_recipe",
]

RECIPE = "recipe.yaml"
LISTS = {"pretrain", "intermediate", "joint", "translated", "target", "target_langs"}
PATHS = {"data", "out", "tensorboard"}
NOT_IN_A_RECIPE = {"resume", "force", "settings"}


def shipped() -> dict[str, Any]:
    """Recipes that come with the package, by name."""
    folder = resources.files("xlt.train") / "recipes"
    found = {entry.name.removesuffix(".yaml"): entry for entry in folder.iterdir()}
    return dict(sorted((name, file) for name, file in found.items() if "." not in name))


def read_recipe(name: str | Path) -> dict[str, Any]:
    """The fields of a recipe, `settings` among them.

    Args:
        name: a file, or the name of a shipped recipe.

    Raises:
        UsageError: no such recipe, or mistakes in it, all at once.
    """
    path, known = Path(name), shipped()
    if path.is_file():
        text = read_text(path, DataError)
    elif str(name) in known:
        text = known[str(name)].read_text("utf-8")
    else:
        raise UsageError(
            f"--config {name}: no such file, nor a recipe of ours{did_you_mean(str(name), known)}",
            "ours: " + " ".join(known),
        )
    with needs("train", "recipes"):
        import yaml
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise UsageError(f"--config {name}: not YAML: {said[:200]}", "mend the file") from error
    if not isinstance(content, dict):
        raise UsageError(f"--config {name}: no mapping of flags to values", "as in lr: 1e-5")
    mistakes: list[str] = []
    recipe = _fields(content, mistakes)
    if mistakes:
        raise UsageError.all_of(mistakes, f"mend {name}; `xlt train --help` lists the flags")
    return recipe


def _fields(content: Mapping[Any, Any], mistakes: list[str]) -> dict[str, Any]:
    types = {field.name: str(field.type) for field in fields(TrainConfig)}
    recipe: dict[str, Any] = {}
    for key, value in content.items():
        name = str(key).replace("-", "_")
        if name == "set":
            recipe["settings"] = _set(value, mistakes)
        elif name not in types or name in NOT_IN_A_RECIPE:
            mistakes.append(f"{key}: no such flag{did_you_mean(name, types)}")
        elif name in LISTS:
            recipe[name] = _list(value)
        elif name == "train_split":
            recipe[name] = tuple((str(task), Path(str(file))) for task, file in dict(value).items())
        elif name == "task_file":
            recipe[name] = tuple(Path(one) for one in _list(value))
        elif name in PATHS:
            recipe[name] = Path(str(value)).expanduser()
        else:
            recipe[name] = _scalar(str(key), value, types[name], mistakes)
    return recipe


def _list(value: Any) -> tuple[str, ...]:
    if value is None or value == "none":
        return ()
    return tuple(map(str, value)) if isinstance(value, list) else (str(value),)


def _scalar(key: str, value: Any, kind: str, mistakes: list[str]) -> Any:
    """A number, text or switch, as the field wants it; YAML reads 1e-5 as text."""
    wanted = kind.removesuffix(" | None")
    if wanted == "str":
        return str(value)
    if wanted == "bool" and isinstance(value, bool):
        return value
    if value is None and kind != wanted:
        return None
    try:
        if wanted in {"int", "float"} and not isinstance(value, bool):
            number = float(value)
            if wanted == "float":
                return number
            if number == int(number):
                return int(number)
    except (TypeError, ValueError, OverflowError):
        pass
    mistakes.append(f"{key}: {value!r} is no {wanted}")
    return None


def _set(value: Any, mistakes: list[str]) -> tuple[tuple[str, str, float], ...]:
    found = []
    for scope, settings in (value if isinstance(value, dict) else {"set": value}).items():
        if not isinstance(settings, dict):
            mistakes.append(f"set: {scope}: {settings!r} is no mapping of names to numbers")
            continue
        for name, number in settings.items():
            amount = _scalar(f"set: {scope}.{name}", number, "float", mistakes)
            if amount is not None:
                found.append((str(scope), str(name).replace("-", "_"), amount))
    return tuple(found)


def read_settings(texts: tuple[str, ...]) -> tuple[tuple[str, str, float], ...]:
    """PHASE.NAME=X, the phase's name possibly with dots.

    Raises:
        UsageError: names every one that is no such thing.
    """
    found, mistakes = [], []
    for text in texts:
        left, equals, number = text.partition("=")
        scope, dot, name = left.rpartition(".")
        try:
            if not (equals and dot and scope and name):
                raise ValueError
            found.append((scope, name.replace("-", "_"), float(number)))
        except ValueError:
            mistakes.append(f"--set {text!r} is not PHASE.NAME=NUMBER")
    if mistakes:
        raise UsageError.all_of(mistakes, "as in 1-mnli.lr=8e-5")
    return tuple(found)


def with_flags(
    recipe: Mapping[str, Any],
    given: Mapping[str, Any],
    settings: Sequence[tuple[str, str, float]],
) -> dict[str, Any]:
    """Fields of a configuration: the recipe under the flags that were typed.

    A hyper-parameter that is a flag overrides what the recipe sets for any phase, task or kind.
    """
    kept = [entry for entry in recipe.get("settings", ()) if entry[1] not in given]
    return {**recipe, **given, "settings": (*kept, *settings)}


def check_scopes(config: TrainConfig, root: DataRoot, phases: Iterable[str]) -> None:
    """Whether settings name phases, targets, tasks or kinds.

    Raises:
        UsageError: names every one that is none of these.
    """
    phases = list(phases)
    known = {*phases, *root.tasks, *KINDS}
    unknown = dict.fromkeys(scope for scope, _, _ in config.settings if scope not in known)
    if unknown:
        raise UsageError.all_of(
            [f"--set {scope}: no such phase, task or kind{did_you_mean(scope, known)}"
             for scope in unknown],
            "phases of this run: " + " ".join(phases),
        )  # fmt: skip


def write_recipe(recorded: Mapping[str, Any], phases: Iterable[Phase], folder: Path) -> None:
    """Write `recipe.yaml`: what was asked for, and all hyper-parameters of every phase.

    `xlt train --config RUN/recipe.yaml --out OTHER` does the same again.
    """
    with needs("train", "recipes"):
        import yaml
    asked = {
        name: value
        for name, value in recorded.items()
        if name != "settings" and (name == "target" or value not in ([], {}, False))
        if value is not None
    }
    settings = {phase.name: _resolved(phase) for phase in phases}
    text = yaml.safe_dump({**asked, "set": settings}, sort_keys=False, allow_unicode=True)
    write_atomic(folder / RECIPE, text)


def _resolved(phase: Phase) -> dict[str, float]:
    """Hyper-parameters of a phase that settings can name; batches of a mixture are its tasks'."""
    several = {"batch_size", "max_length", "dropout"} if len(phase.parts) > 1 else set()
    return {
        name: value
        for name, value in phase.hyper.to_json().items()
        if name in HYPER.keys() - several
        and value is not None
        and not (name == "batch_size" and value == 0)
    }
