"""Whether what is to be fitted or chosen can be, before any weight is loaded."""

from __future__ import annotations

from dataclasses import replace

from xlt.core.errors import UsageError
from xlt.core.files import sha256_json
from xlt.data import DataRoot
from xlt.export.plan import Job
from xlt.export.vectors.center import fit_texts
from xlt.export.vectors.sweep import sweep_pairs

__all__ = ["with_fit_key"]


def with_fit_key(job: Job, root: DataRoot | None) -> Job:
    """The job with a hash over the text that its block or mean will come from.

    Raises:
        UsageError: no data root, a finished graph, or layers made for the last block.
        DataError: the root lacks such text.
    """
    if not job.sweep and not job.post:
        return job
    flag = "--sweep-layers" if job.sweep else f"--post {job.post}"
    if root is None:
        raise UsageError(f"{flag}: no data root to take text from", "add --data ROOT")
    if job.checkpoint.graph:
        raise UsageError(
            f"{flag}: {job.checkpoint.source} has a finished graph and no weights",
            "export a checkpoint with weights",
        )
    if job.sweep and job.steps:
        raise UsageError(
            f"--sweep-layers: {job.checkpoint.source} has layers after its pooling, which were "
            "made for the last block",
            "leave the flag out",
        )
    read = [
        sweep_pairs(root) if job.sweep else None,
        fit_texts(root).record() if job.post else None,
    ]
    return replace(job, fit_key=sha256_json(read))
