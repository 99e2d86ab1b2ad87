"""Checkpoints of an unfinished phase: complete, atomic, and enough for bit-identical steps.

What a step does depends only on the weights, the optimizer's moments and the step number
(data order, masks and dropout are drawn from the seed and the step), so that is all we keep.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from xlt.core.errors import ModelError
from xlt.core.files import atomic_folder, read_json, write_json
from xlt.train.models import saving, weights
from xlt.train.workers import workers

__all__ = ["State"]

MODEL, MOMENTS, POSITION = "model.safetensors", "moments.safetensors", "position.json"


class State:
    """The checkpoints of one phase, in a folder of the run's `state/`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def latest(self) -> Path | None:
        """The newest complete checkpoint."""
        return max(self.folder.glob("step-*"), default=None)

    def save(
        self,
        step: int,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        position: Mapping[str, Any],
    ) -> None:
        """Write a checkpoint beside the old one, then drop what it replaces.

        Args:
            step: steps done.
            model: its weights are stored in fp32 exactly.
            optimizer: AdamW, whose moments are stored.
            position: JSON values; `best` names the file of the best weights, or None.
        """
        target = self.folder / f"step-{step:09d}"
        with atomic_folder(target) as folder:
            _write(folder / MODEL, weights(model))
            _write(folder / MOMENTS, _moments(model, optimizer))
            write_json(folder / POSITION, {**position, "step": step})
        for old in self.folder.iterdir():
            if old != target and old.name != position.get("best"):
                shutil.rmtree(old) if old.is_dir() else old.unlink()

    def load(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any] | None:
        """Put the newest checkpoint into model and optimizer; None when there is none.

        Raises:
            ModelError: the checkpoint does not fit the model.
        """
        newest = self.latest()
        if newest is None:
            return None
        _fill(model, load_file(newest / MODEL), newest)
        moments = load_file(newest / MOMENTS)
        for name, parameter in model.named_parameters():
            if f"{name}|step" in moments:
                optimizer.state[parameter] = {
                    "step": moments[f"{name}|step"].clone(),
                    **{
                        key: torch.empty_like(parameter).copy_(moments[f"{name}|{key}"])
                        for key in ("exp_avg", "exp_avg_sq")
                    },
                }
        position: dict[str, Any] = read_json(newest / POSITION, ModelError)
        return position

    def save_best(self, step: int, model: nn.Module) -> str:
        """Write the best weights so far; the name goes into the next checkpoint."""
        name = f"best-{step:09d}.safetensors"
        if not workers().leads:
            return name
        self.folder.mkdir(parents=True, exist_ok=True)
        beside = self.folder / f".{name}.part"
        _write(beside, weights(model))
        beside.replace(self.folder / name)
        return name

    def load_best(self, name: str, model: nn.Module) -> None:
        """Put the best weights into the model."""
        _fill(model, load_file(self.folder / name), self.folder / name)


def _moments(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"{name}|{key}": value
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def _fill(model: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Copy into the tensors that are there: their memory layout decides the last bits."""
    missing = weights(model).keys() ^ tensors.keys()
    if missing:
        raise ModelError(f"{path} does not fit the model: {sorted(missing)[:3]}", "train again")
    model.load_state_dict(tensors, strict=False)


def _write(path: Path, tensors: dict[str, Tensor]) -> None:
    with saving(path):
        save_file({name: t.detach().contiguous() for name, t in tensors.items()}, path)
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
