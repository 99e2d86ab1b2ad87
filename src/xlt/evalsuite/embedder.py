"""The one embedder of a model argument, as an open engine."""

from __future__ import annotations

from pathlib import Path

from xlt.core.artifacts.bundle import Bundle
from xlt.core.artifacts.ready import find_models
from xlt.core.errors import ModelError, UsageError
from xlt.core.inference.engine import Engine
from xlt.core.kinds.table import kind_of

__all__ = ["find_embedder", "open_embedder", "prompts_of"]


def find_embedder(model: Path | str | None, *, precision: str = "fp32") -> Bundle:
    """The bundle of a model that gives sentence vectors.

    Args:
        model: a bundle, a folder of bundles, or a run; None: ./xlt-run.
        precision: fp32, fp16, int8 or int8-vnni.

    Raises:
        ModelError: no bundle gives sentence vectors, or its files are damaged.
        UsageError: several do.
    """
    opened = [Bundle.open(p, precision=precision, verify=False) for p in find_models(model)]
    found = [bundle for bundle in opened if kind_of(bundle.task).vectors]
    if not found:
        raise ModelError(
            f"{model or 'the run'}: no bundle gives sentence vectors, only "
            + ", ".join(f"{bundle.name} ({bundle.task.kind})" for bundle in opened),
            "export the encoder: xlt export MODEL --task tatoeba",
        )
    if len(found) > 1:
        raise UsageError(
            f"{model or 'the run'}: {len(found)} bundles give sentence vectors: "
            + ", ".join(bundle.name for bundle in found),
            f"name one of them, for example {found[0].path}",
        )
    return Bundle.open(found[0].path, precision=precision)


def open_embedder(
    model: Path | str | Bundle | None,
    *,
    precision: str = "fp32",
    device: str = "auto",
    threads: int | None = None,
    batch_tokens: int | None = None,
) -> Engine:
    """An engine for many texts, on the bundle of a model that gives sentence vectors.

    Arguments as `Engine.open`.

    Raises:
        ModelError, UsageError: as `find_embedder` and `Engine.open`.
    """
    bundle = model if isinstance(model, Bundle) else find_embedder(model, precision=precision)
    return Engine.open(
        bundle, device=device, threads=threads, batch_tokens=batch_tokens, side_by_side=True
    )


def prompts_of(bundle: Bundle) -> dict[str, str]:
    """The prompts that a bundle keeps, by name ("query", "passage" ...)."""
    return dict(bundle.manifest.get("prompts") or {})
