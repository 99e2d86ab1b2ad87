"""XTREME evaluation on onnxruntime: `evaluate(EvalConfig(...))` is what `xlt eval` runs.

May import `core`, `data`, `cli`; never torch or transformers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt.core.errors import UsageError
from xlt.evalsuite.plan.config import EvalConfig

if TYPE_CHECKING:
    from xlt.evalsuite.report.results import Results

__all__ = ["EvalConfig", "evaluate"]


def evaluate(
    models: EvalConfig | str | Path | Sequence[str | Path] = (),
    data: str | Path | None = None,
    tasks: str | Sequence[str] = "all",
    langs: str = "all",
    **flags: Any,
) -> Results:
    """Evaluate bundles, as `xlt eval` does; finished cells in the results folder are kept.

    `evaluate(EvalConfig(...))` and `evaluate(models, data, tasks, langs, split="dev", ...)` are
    the same call.

    Args:
        models: a whole configuration; or bundles, folders of bundles, or runs; none: ./xlt-run.
        data: data root; None: the one that the run was trained on.
        tasks: names, a comma list, or "all" that the bundles answer.
        langs: a value of `--langs`.
        **flags: the other fields of `EvalConfig`; paths may be strings.

    Returns:
        The results; failed cells are listed in `failures`, not raised.

    Raises:
        UsageError: unknown names, a task without exactly one bundle, mistakes in the flags.
        DataError: no data for a named task, or every cell's data are damaged.
        ModelError: a model is missing or damaged, or the device is not there.
        CheckFailed: a gate of the configuration (`min_score`, `max_drop`) does not hold; the
            results are written.
    """
    if isinstance(models, EvalConfig):
        if data is not None or tasks != "all" or langs != "all" or flags:
            raise UsageError(
                "an EvalConfig is the whole configuration; other arguments beside it are not used",
                "put them into the EvalConfig (dataclasses.replace)",
            )
        config = models
    else:
        config = _configured(models, data, tasks, langs, flags)
    from xlt.evalsuite.plan.plan import make_plan
    from xlt.evalsuite.report.checks import check_gates
    from xlt.evalsuite.run import check_before, run_plan

    plan = make_plan(config)
    plan, against = check_before(plan)
    results = run_plan(plan)
    check_gates(plan, results, against)
    return results


def _configured(
    models: str | Path | Sequence[str | Path],
    data: str | Path | None,
    tasks: str | Sequence[str],
    langs: str,
    flags: Mapping[str, Any],
) -> EvalConfig:
    """The configuration of a keyword call.

    Raises:
        UsageError: unknown keywords.
    """
    unknown = sorted(flags.keys() - EvalConfig.__dataclass_fields__.keys())
    if unknown:
        raise UsageError(
            f"evaluate has no argument {', '.join(unknown)}",
            "known: " + " ".join(EvalConfig.__dataclass_fields__),
        )
    given = dict(flags)
    for name in ("out", "submission"):
        if given.get(name) is not None:
            given[name] = Path(given[name])
    lists = {name: given.pop(name, None) or () for name in ("task_files", "against")}
    for name, value in {"models": models, **lists}.items():
        given[name] = tuple(map(Path, [value] if isinstance(value, str | Path) else value))
    for name in ("min_score", "prompt"):
        texts = given.get(name, ())
        given[name] = (texts,) if isinstance(texts, str) else tuple(texts)
    return EvalConfig(
        **{**given, "use": given.get("use") or {}},
        data=None if data is None else Path(data),
        tasks=tasks if isinstance(tasks, str) else ",".join(tasks),
        langs=langs,
    )
