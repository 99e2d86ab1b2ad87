"""The GPU build of ONNX Runtime, on a machine with a GPU or without: `make gpu-smoke` runs this."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from xlt.core.errors import ModelError, UsageError
from xlt.core.inference import session as sessions
from xlt.core.inference.session import SMALLEST_GRAPH, Session, check_device

CUDA = "CUDAExecutionProvider"


def is_installed():
    try:
        metadata.distribution("onnxruntime-gpu")
    except metadata.PackageNotFoundError:
        return False
    return True


pytestmark = pytest.mark.skipif(not is_installed(), reason="make gpu-smoke installs the GPU build")


def has_gpu():
    return Path("/dev/nvidiactl").exists()


@pytest.fixture
def graph(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(SMALLEST_GRAPH)
    return path


def test_it_imports_here_and_offers_cuda():
    import onnxruntime

    assert CUDA in onnxruntime.get_available_providers()


def test_auto_takes_what_works(graph):
    opened = Session(graph, device="auto", threads=1)
    assert opened.device == ("cuda:0" if has_gpu() else "cpu")
    [found] = opened.run({"x": np.ones(1, np.float32)}, ["y"])
    assert found.tolist() == [1.0]
    assert check_device("cpu") == "cpu"


@pytest.mark.skipif(has_gpu(), reason="there is a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_cuda_without_a_gpu_is_exit_4(graph, device):
    for act in (lambda: check_device(device), lambda: Session(graph, device=device, threads=1)):
        with pytest.raises(ModelError, match=f"device {device} is not there") as caught:
            act()
        assert caught.value.exit_code == 4


@pytest.mark.skipif(has_gpu(), reason="there is a GPU")
def test_the_command_line_says_so_with_exit_4(tmp_path):
    code = (
        "import sys, click, xlt.cli.main as main\n"
        "from xlt.core.inference.session import check_device\n"
        "@click.command()\n"
        "@click.option('--device')\n"
        "def look(device): check_device(device)\n"
        "main.LazyGroup.get_command = lambda self, context, name: look\n"
        "main.main(['serve', '--device', 'cuda'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 4, done.stderr
    assert "error: device cuda is not there" in done.stderr
    assert "hint: " in done.stderr


def test_both_wheels_at_once_are_exit_2(graph, tmp_path, monkeypatch):
    record = tmp_path / "site" / "onnxruntime-1.31.1.dist-info"
    record.mkdir(parents=True)
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime\nVersion: 1.31.1\n")
    monkeypatch.syspath_prepend(str(record.parent))
    with pytest.raises(UsageError, match="both installed") as caught:
        Session(graph, device="cpu", threads=1)
    assert caught.value.exit_code == 2
    assert "uninstall -y onnxruntime onnxruntime-gpu" in caught.value.hint


def test_binding_gives_the_outputs_of_a_plain_run(graph):
    opened = Session(graph, device="auto", threads=1)
    plain = opened._session.run(["y"], {"x": np.full(1, 7.0, np.float32)})
    opened.binds = True
    bound = opened.run({"x": np.full(1, 7.0, np.float32)}, ["y"])
    assert np.array_equal(plain[0], bound[0])
    assert sessions._value_place("cuda:3") == ("cuda", 3)
