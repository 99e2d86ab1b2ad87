"""What a run logs, to TensorBoard as well, through accelerate's tracker."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xlt.core.extras import needs

__all__ = ["TensorBoard"]


class TensorBoard:
    """Loss, learning rate and dev scores as scalars named `<phase>/...`, by the phase's steps.

    Steps that a killed run does again are written again; TensorBoard shows the later ones.

    Args:
        folder: where TensorBoard looks for runs.
        name: of the run; its events are in `folder/name`.

    Raises:
        MissingExtra: accelerate, or a package that writes events, is not installed.
    """

    def __init__(self, folder: Path, name: str) -> None:
        with needs("tensorboard", "--tensorboard"):
            from accelerate.tracking import TensorBoardTracker

            self._tracker = TensorBoardTracker(name, str(folder))
            self._tracker.start()

    def log(self, line: Mapping[str, Any]) -> None:
        """Write one line of the run's log.

        Args:
            line: `phase`, `step`, and `loss` with `lr`, or `dev` with scores by name.
        """
        values = {name: line[name] for name in ("loss", "lr") if name in line}
        values |= {f"dev/{name}": value for name, value in line.get("dev", {}).items()}
        named = {f"{line['phase']}/{name}": float(value) for name, value in values.items()}
        self._tracker.log(named, step=int(line["step"]))

    def close(self) -> None:
        """Write what is left."""
        self._tracker.finish()
