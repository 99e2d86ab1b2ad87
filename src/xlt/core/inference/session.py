"""ONNX Runtime behind one small class: device, threads, and clear errors.

The only file that imports onnxruntime.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.core.errors import MissingExtra, ModelError, UsageError
from xlt.core.inference.device import parse_device
from xlt.core.install import pip, pip_line

__all__ = ["Session", "check_device", "usable_cores"]

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
WHEELS = ("onnxruntime", "onnxruntime-gpu")
QUIETLY = 3  # ONNX Runtime's log level "error"
# An ONNX model that copies one number: what is needed to start a device.
SMALLEST_GRAPH = (
    b'\x08\x08\x12\x00:7\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x01'
    b"\x12\x04\n\x02\x08\x01b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\x11"
)
# On newer GPUs ONNX Runtime rounds the factors of fp32 products to TF32, 11 bits, unless it is told
# not to: 2 to 3 times as fast, but not the numbers of a CPU. fp16 is the variant for speed.
EXACT = {"use_tf32": "0"}
SLOW_IN_INT8 = ("SkipLayerNormFusion",)
DTYPES = {
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
}


class Session:
    """A loaded graph. `run` may be called from several threads.

    Args:
        path: the ONNX file, external data beside it; or a small graph's bytes.
        device: auto (CUDA when it works, else CPU), cpu, cuda or cuda:N.
        threads: CPU threads for one call; default, the cores this process may use.
        int8: whether the graph's products are in 8 bits: ONNX Runtime then leaves sum and norm
            apart, since its fusion of both costs such graphs 15 to 20 % of their speed.

    Attributes:
        inputs: name -> element type of each input, as the graph declares it.
        outputs: names of the outputs.
        device: where it runs: cpu or cuda:N.
        binds: whether inputs and outputs are bound to the device by name (GPUs): each array is
            copied once, and only the outputs asked for come back.

    Raises:
        ModelError: the file is not a valid graph, or an explicit device is not there.
        MissingExtra: ONNX Runtime is not installed.
        UsageError: an unknown device, or both ONNX Runtime wheels are installed.
    """

    def __init__(
        self,
        path: Path | bytes,
        *,
        device: str = "auto",
        threads: int | None = None,
        int8: bool = False,
    ) -> None:
        if isinstance(path, Path) and not path.is_file():
            raise ModelError(f"{path}: no such file", "export the model again")
        self._path = path if isinstance(path, Path) else "a graph in memory"
        self._session, self.device = _on_device(
            path, device, threads or usable_cores(), without=SLOW_IN_INT8 if int8 else ()
        )
        self.binds = self.device != "cpu"
        self.inputs: dict[str, str] = {node.name: node.type for node in self._session.get_inputs()}
        self.outputs: list[str] = [node.name for node in self._session.get_outputs()]

    def run(self, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> list[NDArray[Any]]:
        """Compute the named outputs, and nothing else is fetched.

        Args:
            feeds: arrays by input name; those that the graph does not declare are left out.
            outputs: names of outputs.

        Raises:
            ModelError: the graph wants an input that is not fed, lacks an output, or fails.
        """
        wanted = {}
        for name, kind in self.inputs.items():
            if name not in feeds:
                raise ModelError(
                    f"{self._path}: the graph wants an input {name!r} that encoding does not make",
                    "export the model with xlt export",
                )
            wanted[name] = np.asarray(feeds[name], DTYPES.get(kind))
        missing = [name for name in outputs if name not in self.outputs]
        if missing:
            raise ModelError(
                f"{self._path}: no output {', '.join(missing)}; it has {', '.join(self.outputs)}",
                "export the model for this task with xlt export",
            )
        try:
            found = (
                self._bound(wanted, outputs)
                if self.binds
                else self._session.run(list(outputs), wanted)
            )
        except Exception as error:  # ONNX Runtime's errors have no common base
            shapes = ", ".join(f"{name} {array.shape}" for name, array in wanted.items())
            raise ModelError(
                f"{self._path}: failed on {shapes}: {_first_line(error)}",
                "a smaller --batch-tokens needs less memory; otherwise export the model again",
            ) from error
        return found

    def _bound(
        self, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]
    ) -> list[NDArray[Any]]:
        """Compute through values that lie on the device; every call has a binding of its own."""
        place = _value_place(self.device)
        make = _runtime().OrtValue.ortvalue_from_numpy
        binding = self._session.io_binding()
        for name, array in feeds.items():
            value = make(np.ascontiguousarray(array), *place)
            binding.bind_ortvalue_input(name, value)
        for name in outputs:
            binding.bind_output(name, *place)
        self._session.run_with_iobinding(binding)
        found: list[NDArray[Any]] = binding.copy_outputs_to_cpu()
        return found


def _value_place(device: str) -> tuple[str, int]:
    """A device's name and number as ONNX Runtime's values have them."""
    name, _, number = device.partition(":")
    return name, int(number or 0)


def check_device(device: str) -> str:
    """Start an empty graph on a device, so that a missing one is found before any work.

    Returns:
        Where graphs run: cpu or cuda:N.

    Raises:
        ModelError: an explicit device is not there.
        MissingExtra: ONNX Runtime is not installed.
        UsageError: an unknown device, or both ONNX Runtime wheels are installed.
    """
    return _on_device(SMALLEST_GRAPH, device, 1)[1]


def _on_device(
    graph: Path | bytes, device: str, threads: int, *, without: Sequence[str] = ()
) -> tuple[Any, str]:
    """A session on a device, and the device's name."""
    kind, index = parse_device(device)
    runtime = _runtime()
    available = runtime.get_available_providers()
    if kind == "cuda" and CUDA not in available:
        raise ModelError(
            f"device {device} is not there: this ONNX Runtime offers {', '.join(available)}",
            f"use --device cpu, or {pip_line('gpu')} in place of [cpu]",
        )
    providers: list[Any] = [CPU]
    if kind != "cpu" and CUDA in available:
        providers.insert(0, (CUDA, {"device_id": index, **EXACT}))
        _find_cuda_libraries(runtime)
    session = _load(runtime, graph, providers, threads, without)
    on_cuda = CUDA in session.get_providers()
    if kind == "cuda" and not on_cuda:
        raise ModelError(
            f"device {device} is not there: CUDA could not be started",
            "check `nvidia-smi` and the CUDA libraries, or use --device cpu",
        )
    return session, f"cuda:{index}" if on_cuda else "cpu"


def usable_cores(root: Path = Path("/")) -> int:
    """Cores that this process may use: its affinity mask, bounded by the cgroup's CPU quota.

    Args:
        root: where /proc and /sys are (tests).
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        cores = os.cpu_count() or 1
    quota = _cgroup_quota(root)
    return cores if quota is None else max(1, min(cores, int(quota)))


def _cgroup_quota(root: Path) -> float | None:
    """The smallest CPU quota, in cores, of this process's cgroups (v1 and v2) and their parents."""
    quotas = []
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, place = line.split(":", 2)
        if controllers == "":
            base, read = root / "sys/fs/cgroup", _quota_v2
        elif "cpu" in controllers.split(","):
            base, read = root / "sys/fs/cgroup/cpu", _quota_v1
        else:
            continue
        folder = base / place.strip("/")
        # Inside a container the path may be the host's; then only the mount's root is there.
        while folder.is_relative_to(base):
            quotas.append(read(folder))
            folder = folder.parent
    return min((quota for quota in quotas if quota is not None), default=None)


def _quota_v2(folder: Path) -> float | None:
    words = " ".join(_lines(folder / "cpu.max")).split()
    return int(words[0]) / int(words[1]) if len(words) == 2 and words[0] != "max" else None


def _quota_v1(folder: Path) -> float | None:
    quota = " ".join(_lines(folder / "cpu.cfs_quota_us"))
    period = " ".join(_lines(folder / "cpu.cfs_period_us"))
    return int(quota) / int(period) if quota and period and int(quota) > 0 else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:  # no such controller here
        return []


def _runtime() -> Any:
    """The onnxruntime module.

    Raises:
        UsageError: both wheels are installed; they overwrite each other's files.
        MissingExtra: neither is.
    """
    if len(_installed_wheels()) > 1:
        raise UsageError(
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other's files",
            f"{pip()} uninstall -y onnxruntime onnxruntime-gpu && {pip_line('gpu')} (or [cpu])",
        )
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        if error.name != "onnxruntime":
            raise
        raise MissingExtra(
            "onnxruntime", "cpu", f"on NVIDIA machines: {pip_line('gpu')}"
        ) from error
    return onnxruntime


def _installed_wheels() -> list[str]:
    found = []
    for name in WHEELS:
        try:
            metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        found.append(name)
    return found


def _find_cuda_libraries(runtime: Any) -> None:
    """Load the CUDA libraries that pip installed; its talk goes to stderr."""
    if hasattr(runtime, "preload_dlls"):
        with contextlib.redirect_stdout(sys.stderr):
            runtime.preload_dlls()


def _load(
    runtime: Any, graph: Path | bytes, providers: list[Any], threads: int, without: Sequence[str]
) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = QUIETLY
    try:
        source = graph if isinstance(graph, bytes) else str(graph)
        left_out = {"disabled_optimizers": list(without)} if without else {}
        return runtime.InferenceSession(source, options, providers=providers, **left_out)
    except Exception as error:  # ONNX Runtime's errors have no common base
        raise ModelError(
            f"{graph!s:.200}: ONNX Runtime cannot load it: {_first_line(error)}",
            "copy or export the model again; update onnxruntime when the graph is newer",
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
