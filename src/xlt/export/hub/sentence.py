"""A bundle as a module of sentence-transformers, whose versions from 6 on read no ONNX folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xlt.core.extras import needs

__all__ = ["sentence_module"]


def sentence_module(
    model: Path | str | None = None,
    *,
    precision: str = "fp32",
    device: str = "auto",
    threads: int | None = None,
) -> Any:
    """What `SentenceTransformer(modules=[...])` takes; the vectors are those of `xlt.open`.

    Args:
        model: a bundle that gives sentence vectors, or what `xlt.open` takes.
        precision: the variant.
        device: auto, cpu, cuda or cuda:N: where ONNX Runtime computes.
        threads: CPU threads; default, the cores this process may use.

    Raises:
        ModelError: the bundle gives no sentence vectors, or cannot be opened.
        MissingExtra: torch is not installed.
    """
    with needs("export", "sentence-transformers' modules"):
        from xlt.export.hub.module import BundleModule
    return BundleModule(model, precision=precision, device=device, threads=threads)
