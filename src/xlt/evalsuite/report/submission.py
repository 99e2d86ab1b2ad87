"""The official submission folder: prediction files only, checked by reading them back."""

from __future__ import annotations

from pathlib import Path

from xlt.core.errors import CheckFailed, UsageError
from xlt.core.files import atomic_folder, sha256_bytes
from xlt.core.metrics.official import format_of, official_path, read_predictions
from xlt.core.tasks.table import TARGETS, TASKS
from xlt.evalsuite.report.results import Results

__all__ = ["check_target", "write_submission"]


def check_target(folder: Path) -> None:
    """Reject a folder that a submission must not replace, before any work is done.

    Raises:
        UsageError: the folder holds something else than a submission.
    """
    if not folder.exists():
        return
    files = [folder] if folder.is_file() else [p for p in folder.rglob("*") if p.is_file()]
    foreign = [p for p in files if p.parent.parent != folder or p.parent.name not in TARGETS]
    if foreign:
        raise UsageError(
            f"--submission {folder} holds other files ({foreign[0]})", "choose a new folder"
        )


def write_submission(results: Results, folder: Path) -> dict[str, list[str]]:
    """Copy the predictions of the targets into the official layout and read them back.

    Args:
        results: of the test split.
        folder: is replaced as a whole.

    Returns:
        Task -> official languages that a complete submission still needs.

    Raises:
        CheckFailed: a file is not the one that was scored, or does not read back with as many
            items as were predicted.
    """
    cells = [c for c in results.cells if c["task"] in TARGETS and c["predictions"] is not None]
    with atomic_folder(folder) as new:
        for cell in cells:
            task = TASKS[cell["task"]]
            target = official_path(new, task, cell["lang"])
            target.parent.mkdir(exist_ok=True)
            source = results.path / cell["predictions"]
            payload = _unchanged(source, cell["predictions_sha256"])
            target.write_bytes(payload)
            _check_count(cell["n"], target, cell["task"])
    there = {(cell["task"], cell["lang"]) for cell in cells}
    lacking = {
        name: [lang for lang in TASKS[name].languages if (name, lang) not in there]
        for name in TARGETS
    }
    return {name: langs for name, langs in lacking.items() if langs}


def _unchanged(path: Path, sha256: str) -> bytes:
    """The bytes of a predictions file, as they were when it was scored."""
    payload = path.read_bytes() if path.is_file() else b""
    if sha256_bytes(payload) != sha256:
        raise CheckFailed(
            f"{path}: not the file whose scores are in results.json (SHA-256 differs)",
            "run the same command again; changed predictions are redone",
        )
    return payload


def _check_count(n: int, path: Path, name: str) -> None:
    task = TASKS[name]
    found = len(read_predictions(task, path))
    if format_of(task).one_an_item and found != n:
        raise CheckFailed(
            f"{path}: {found} items read back, {n} were predicted",
            "run the same command with --force",
        )
