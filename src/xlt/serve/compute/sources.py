"""Where models come from: the bundles that the command line names, and how they are opened."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xlt.core.artifacts.bundle import Bundle
from xlt.core.artifacts.ready import find_models
from xlt.core.errors import UsageError, did_you_mean

__all__ = ["NAME", "Loading", "Source", "find_sources", "split_argument"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a model comes from."""

    name: str
    path: Path
    precision: str = "fp32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """How models are opened.

    Attributes:
        batch_tokens: padded tokens in a batch; None lets the warm-up choose.
        warm_up: whether a model computes something before it is called ready.
    """

    device: str = "auto"
    threads: int | None = None
    batch_tokens: int | None = None
    warm_up: bool = True


def find_sources(
    arguments: Sequence[str], precision: dict[str, str], *, task: str | None = None
) -> list[Source]:
    """The models that `[NAME=]MODEL` arguments name; none means `./xlt-run`.

    Args:
        arguments: bundles, folders of bundles, runs, checkpoint folders or `hf:ORG/NAME`, each
            with a name or without.
        precision: model name -> variant; the key "" is everybody else's.
        task: what checkpoints answer, where they do not say.

    Raises:
        UsageError: two models of one name, a name that cannot stand in a URL, or a name for
            several bundles; all mistakes at once.
        ModelError: nothing there, or not a bundle.
    """
    sources: list[Source] = []
    mistakes: list[str] = []
    for argument in arguments or [""]:
        given, path = split_argument(argument)
        bundles = find_models(path, task=task)
        if given and len(bundles) > 1:
            mistakes.append(f"{argument}: a name for {len(bundles)} bundles")
        for bundle in bundles:
            name = given or Bundle.open(bundle, precision=None, verify=False).name
            if not NAME.fullmatch(name):
                mistakes.append(f"{name!r} is not a name: letters, digits, '.', '_' and '-' only")
            variant = precision.get(name, precision.get("", "fp32"))
            sources.append(Source(name=name, path=bundle, precision=variant))
    names = [source.name for source in sources]
    mistakes.extend(
        f"two models called {name!r}" for name in {n for n in names if names.count(n) > 1}
    )
    unknown = [name for name in precision if name and name not in names]
    mistakes.extend(
        f"--precision for {n!r}, which is not served{did_you_mean(n, names)}" for n in unknown
    )
    if mistakes:
        raise UsageError.all_of(mistakes, "give names: xlt serve NAME=BUNDLE NAME=BUNDLE")
    for source in sources:  # missing variants show before the socket opens
        Bundle.open(source.path, precision=source.precision, verify=False)
    return sources


def split_argument(argument: str) -> tuple[str, Path | None]:
    """`NAME=MODEL` or `MODEL` as (name or "", path); a path with `=` that exists is a path."""
    if not argument:
        return "", None
    name, equals, path = argument.partition("=")
    if not equals or Path(argument).exists():
        return "", Path(argument)
    return name, Path(path)
