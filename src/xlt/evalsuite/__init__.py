"""XTREME evaluation on onnxruntime; never imports torch or transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xlt.evalsuite.report.results import Results

__all__ = ["evaluate"]


def evaluate(
    models: str | Path | Sequence[str | Path] = (),
    data: str | Path | None = None,
    tasks: str | Sequence[str] = "all",
    langs: str = "all",
    *,
    split: str = "test",
    precision: str = "fp32",
    use: Mapping[str, str] | None = None,
    task_files: Sequence[str | Path] = (),
    out: str | Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    batch_tokens: int | None = None,
    both_directions: bool = False,
    force: bool = False,
) -> Results:
    """Evaluate bundles, as `xlt eval` does; finished cells in `out` are kept.

    Args:
        models: bundles, folders of bundles, or runs; none: ./xlt-run.
        data: data root; None: the one that the run was trained on.
        tasks: names, a comma list, or "all" that the bundles answer.
        langs: a value of `--langs`.
        split: test or dev.
        precision: fp32, fp16 or int8; every bundle must have it.
        use: task -> name or folder of the bundle that answers it.
        task_files: YAML files of further tasks.
        out: results folder; None: RUN/results, or ./xlt-results without a run.
        device: auto, cpu, cuda[:i].
        threads: CPU threads; None: the cores this process may use.
        batch_tokens: padded tokens a batch; None: what suits the device. Never changes a score.
        both_directions: Tatoeba also with the foreign sentences as queries.
        force: redo cells that could be kept.

    Returns:
        The results; failed cells are listed in `failures`, not raised.

    Raises:
        UsageError: unknown names, a task without exactly one bundle.
        DataError: no data for a named task, or every cell's data are damaged.
        ModelError: a model is missing or damaged, or the device is not there.
    """
    from xlt.evalsuite.compute.engines import Options
    from xlt.evalsuite.plan.plan import default_out, make_plan
    from xlt.evalsuite.run import run_plan

    given = [models] if isinstance(models, str | Path) else models
    paths = [Path(model) for model in given]
    plan = make_plan(
        paths,
        Path(data) if data is not None else None,
        tasks,
        langs,
        split=split,
        precision=precision,
        use=use or {},
        task_files=[Path(file) for file in task_files],
    )
    options = Options(
        device=device,
        threads=threads,
        batch_tokens=batch_tokens,
        both_directions=both_directions,
        force=force,
    )
    return run_plan(plan, Path(out) if out is not None else default_out(paths), options)
