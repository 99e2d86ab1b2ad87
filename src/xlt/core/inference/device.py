"""Names of devices, the same for every verb: `auto`, `cpu`, `cuda`, `cuda:N`."""

from __future__ import annotations

import re

from xlt.core.errors import ModelError, UsageError

__all__ = ["DEVICES", "choose_device", "parse_device"]

DEVICES = ("auto", "cpu", "cuda", "cuda:N")


def parse_device(device: str) -> tuple[str, int]:
    """`cuda:1` as ("cuda", 1); auto, cpu and cuda stand for index 0.

    Raises:
        UsageError: none of auto, cpu, cuda, cuda:N.
    """
    match = re.fullmatch(r"(auto|cpu|cuda)|cuda:(\d+)", device)
    if not match:
        raise UsageError(
            f"unknown device {device!r}", f"use {', '.join(DEVICES[:-1])} or {DEVICES[-1]}"
        )
    return match[1] or "cuda", int(match[2] or 0)


def choose_device(device: str, *, cuda_devices: int, auto: str) -> str:
    """The device that PyTorch computes on, by name: `cpu` or `cuda:N`.

    Args:
        device: what was asked for.
        cuda_devices: how many CUDA devices PyTorch sees.
        auto: what `auto` stands for where there is a CUDA device: `cuda` or `cpu`.

    Raises:
        ModelError: a CUDA device is asked for by name and is not there.
        UsageError: an unknown name.
    """
    kind, index = parse_device(device)
    if kind == "auto":
        kind = auto if cuda_devices else "cpu"
    if kind == "cpu":
        return "cpu"
    if index >= cuda_devices:
        raise ModelError(
            f"--device {device} is not there: PyTorch sees {cuda_devices} CUDA devices",
            "use --device auto or cpu",
        )
    return f"cuda:{index}"
