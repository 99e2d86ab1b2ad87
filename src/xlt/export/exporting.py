"""`xlt export` as a function: plan, convert, compare with PyTorch, write, one bundle a job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

from xlt.core.artifacts.bundle import MANIFEST, Bundle
from xlt.core.artifacts.runs import Run, recorded_root
from xlt.core.errors import CheckFailed, Mistakes, ModelError, UsageError
from xlt.core.extras import needs
from xlt.core.files import read_json, refuse_non_empty, sha256_json
from xlt.core.show.terminal import note
from xlt.data import DataRoot
from xlt.export.checkpoint.reading import Checkpoint
from xlt.export.config import ExportConfig, ExportFlags
from xlt.export.files.examples import carried_examples
from xlt.export.gate.probe import dev_items, probes_sha256
from xlt.export.plan import Job, find_model, plan
from xlt.export.vectors.asked import with_fit_key
from xlt.export.wrap import wrap, wrapper_versions

__all__ = ["Exported", "export"]

Make = Callable[[Job, Mapping[str, Any]], dict[str, Any]]
# Raise it when the same inputs would give another bundle: kept bundles are then written again.
RECIPE = 3
VARIANTS = 2  # the same for other precisions than fp32


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """One bundle of an export. `status`: exported, kept (nothing had changed), or planned."""

    name: str
    path: Path
    status: str
    job: Job
    parity: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The entry of `xlt export --json`."""
        job = self.job
        return {
            "name": self.name,
            "path": str(self.path),
            "status": self.status,
            "checkpoint": str(job.checkpoint.path),
            "task": job.task.name,
            "kind": job.task.kind,
            "answers": list(job.answers),
            "layer": job.layer,
            "layers": job.checkpoint.depth,
            "pooling": job.pooling,
            "dimensions": list(job.dimensions),
            "parity": dict(self.parity),
        }


def export(
    model: ExportConfig | str | Path | None = None, **flags: Unpack[ExportFlags]
) -> list[Exported]:
    """Turn a run, a checkpoint folder or a hub model into ONNX bundles.

    A run gives one bundle for each trained target and one for its encoder, in `RUN/bundles/` or
    in `out`; a checkpoint gives one, `out` itself. A bundle is written only when ONNX Runtime
    answers as PyTorch does (`xlt.export.gate`). Bundles whose inputs did not change are kept;
    with `data`, only those that were checked on its dev text.

    Args:
        model: a whole configuration; or a run, folder or hub id, None for `./xlt-run`.
        **flags: the other fields of `ExportConfig`, when `model` is not one.

    Raises:
        UsageError: flags that do not fit, or output folders that hold something else.
        ModelError: no model, a foreign or damaged one, or of another kind than the task.
        DataError: a damaged data root.
        CheckFailed: the graph and PyTorch differ; the folder is kept as `NAME.failed`.
        MissingExtra: a package of the extra `export` is not installed.
    """
    if not isinstance(model, ExportConfig):
        model = ExportConfig(model=model, **flags)
    elif flags:
        raise TypeError(f"export() takes an ExportConfig or flags, not both ({', '.join(flags)})")
    return _export(model)


def _look(config: ExportConfig) -> tuple[Run | Checkpoint, list[Job], DataRoot | None]:
    """What is exported, the bundles to write, and the data root of the gate.

    Raises:
        XltError: everything that is wrong with flags, model and places, at once.
    """
    mistakes, found, root = Mistakes(), None, None
    jobs: list[Job] = []
    with mistakes:
        config.check()
    with mistakes:
        found = find_model(config.model, pickles=config.allow_pickle)
    with mistakes:
        root = _data_root(found, config.data)
    if found is not None and not any(isinstance(e, UsageError) for e in mistakes.found):
        with mistakes:
            jobs = plan(found, config)
    mistakes.tell()
    assert found is not None
    carried = [
        replace(
            with_fit_key(job, root),
            examples=carried_examples(root, job.task, job.answers, config.examples),
        )
        for job in jobs
    ]
    return found, carried, root


def _export(config: ExportConfig) -> list[Exported]:
    """Plan, look at what is there, write what is new."""
    if config.out is not None and not config.out.name:  # `--out .`
        config = replace(config, out=Path.cwd() / config.out)
    found, jobs, root = _look(config)
    if isinstance(found, Run) and found.status != "done":
        note(f"{found.path} is not finished; exporting the models that are")
    make, versions = _maker(jobs, config, root)
    keys = [_key(job, config.precision, versions) for job in jobs]
    same = [
        not config.force and _is_same(job.target, key) for job, key in zip(jobs, keys, strict=True)
    ]
    _check_places(found, jobs, same, out=config.out, force=config.force)
    asked = root if config.data is not None else None
    kept = [ours and _is_gated(job, asked) for job, ours in zip(jobs, same, strict=True)]
    done: list[Exported] = []
    failed: list[CheckFailed] = []
    for job, key, keep in zip(jobs, keys, kept, strict=True):
        parity: Mapping[str, Any] = {}
        if keep:
            status, parity = "kept", read_json(job.target / MANIFEST, ModelError)["parity"]
            note(f"{job.target}: kept, nothing it is made of has changed")
        elif config.dry_run:
            status = "planned"
        else:
            status = "exported"
            try:
                parity = make(job, {"key": key, "versions": versions})
            except CheckFailed as error:
                failed.append(error)
                continue
            note(f"{job.target}: exported")
        done.append(Exported(name=job.name, path=job.target, status=status, job=job, parity=parity))
    if failed:
        raise CheckFailed("; ".join(error.message for error in failed), failed[0].hint)
    return done


def _maker(
    jobs: list[Job], config: ExportConfig, root: DataRoot | None
) -> tuple[Make, dict[str, str]]:
    """What makes a bundle of a job, and the versions that shape it.

    A graph that is there is wrapped, which needs no torch; everything else is converted.
    """
    if any(job.checkpoint.graph for job in jobs):
        versions = wrapper_versions()

        def make(job: Job, facts: Mapping[str, Any]) -> dict[str, Any]:
            return wrap(
                job,
                root=root,
                device=config.device,
                threads=config.threads,
                facts=facts,
                precisions=config.precisions,
            )

        return make, versions
    with needs("export", "conversion to ONNX"):
        from xlt.export.build import Where, build, gate_device
        from xlt.export.graph.convert import exporter_versions
    where = Where(device=gate_device(config.device), threads=config.threads)
    return lambda job, facts: build(
        job, root=root, where=where, facts=facts, precisions=config.precisions
    ), exporter_versions()


def _key(job: Job, precision: str, versions: Mapping[str, str]) -> str:
    """Hash over everything that decides the bundle's content."""
    return sha256_json(
        {
            "recipe": RECIPE,
            "checkpoint": job.checkpoint.sha256(),
            "name": job.name,
            "task": job.task.identity(),
            "answers": list(job.answers),
            "layer": job.layer,
            "pooling": job.pooling,
            "max_length": job.max_length,
            "precision": precision,
            **({"variants": VARIANTS} if precision != "fp32" else {}),
            "facts": [dict(f) for f in (job.trained_on, job.lineage, job.dev, job.baseline)],
            "versions": dict(versions),
            # only where there are some: bundles from before the flag stay what they are
            **({"dimensions": list(job.dimensions)} if job.dimensions else {}),
            **({"prompts": dict(job.prompts)} if job.prompts else {}),
            **({"default_prompt": job.default_prompt} if job.default_prompt else {}),
            **({"card": dict(job.card)} if job.card else {}),
            **({"fitted": [job.sweep, job.post, job.fit_key]} if job.sweep or job.post else {}),
            **({"task_file": dict(job.task_file)} if job.task_file else {}),
            **({"examples": dict(job.examples)} if job.examples else {}),
        }
    )


def _is_same(target: Path, key: str) -> bool:
    """Whether the bundle is there, whole, and made of the same things."""
    if not (target / MANIFEST).is_file():
        return False
    try:
        manifest = Bundle.open(target, precision=None, verify=True).manifest
    except ModelError:
        return False  # damaged: it is written again, or refused
    return bool(manifest.get("export", {}).get("key") == key)


def _is_gated(job: Job, root: DataRoot | None) -> bool:
    """Whether the bundle's gate read the dev text of this root; None: any gate will do."""
    if root is None:
        return True
    record = read_json(job.target / MANIFEST, ModelError)["parity"]["fp32"]
    dev = dev_items(root, job.task, job.answers)
    return bool(record.get("dev_sha256") == probes_sha256(dev))


def _check_places(
    found: Run | Checkpoint, jobs: list[Job], same: list[bool], *, out: Path | None, force: bool
) -> None:
    """Refuse output folders that hold something else.

    In a run's own `bundles/` a bundle that is out of date is simply written again.

    Raises:
        UsageError: something is in the way, or the output would replace what it is made of.
    """
    for job in jobs:
        source, target = job.checkpoint.path.resolve(), job.target.resolve()
        if target == source or target in source.parents:
            raise UsageError(
                f"--out {job.target} holds the checkpoint {job.checkpoint.path}",
                "choose another --out: the output folder is replaced as a whole",
            )
    if force:
        return
    if isinstance(found, Run) and out is not None and out.is_dir():
        names = {job.name for job in jobs}
        foreign = [p.name for p in sorted(out.iterdir()) if _is_foreign(p) and p.name not in names]
        if foreign:
            raise UsageError(
                f"--out {out} holds other things ({', '.join(foreign[:3])})",
                "choose another --out, or give --force to add the bundles",
            )
    for job, unchanged in zip(jobs, same, strict=True):
        ours = out is None and (job.target / MANIFEST).is_file()
        if not unchanged and not ours:
            refuse_non_empty(job.target, force=False)


def _is_foreign(path: Path) -> bool:
    """Whether an entry of an output folder is neither a bundle nor left there by an export."""
    left_behind = path.name.startswith(".") or path.name.endswith(".failed")
    return not left_behind and not (path / MANIFEST).is_file()


def _data_root(found: Run | Checkpoint | None, data: Path | None) -> DataRoot | None:
    """The root that was named, else the one the run was trained on, when it is still there."""
    if data is not None:
        return DataRoot(data)
    trained = recorded_root([found.path]) if isinstance(found, Run) else None
    return DataRoot(trained) if trained is not None and trained.is_dir() else None
