"""The last steps of a bundle whose fp32 graph has passed its gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xlt.core.artifacts.bundle import write_manifest
from xlt.core.files import write_atomic
from xlt.data import DataRoot
from xlt.export.files.card import model_card
from xlt.export.files.manifest import check_variants, manifest_of
from xlt.export.plan import Job
from xlt.export.variants.write import Source, write_variants

__all__ = ["finish"]


def finish(
    job: Job,
    source: Source,
    fp32: Mapping[str, Any],
    *,
    precisions: Sequence[str],
    root: DataRoot | None,
    export: Mapping[str, Any],
) -> dict[str, Any]:
    """Write and check the variants, then the card, and the manifest last.

    Args:
        job: what is exported.
        source: the fp32 graph in the bundle's folder; it goes when it is not asked for.
        fp32: the record of its gate.
        precisions: names of variants.
        root: its dev text joins the calibration of int8.
        export: how the graph was made, for the manifest.

    Returns:
        Variant -> its parity record.

    Raises:
        CheckFailed: a variant is over its limit; what was built is at `<target>.failed`.
    """
    max_length = source.encoder.max_length
    variants = write_variants(source, precisions, root)
    parity = {"fp32": dict(fp32), **variants.parity}
    check_variants(job, source.folder, variants)
    card = model_card(job, fp32, max_length=max_length)
    write_atomic(source.folder / "README.md", card)
    fields = manifest_of(
        job,
        names=source.names,
        parity=parity,
        variants=variants.entries,
        max_length=max_length,
        export=export,
    )
    write_manifest(source.folder, fields)
    return parity
