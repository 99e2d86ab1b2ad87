"""Nothing calls home: ONNX Runtime's wheels do by themselves, and Ray tells its use."""

import os
import subprocess
import sys

import pytest

onnx = pytest.importorskip("onnx")


def test_a_session_leaves_no_identifier_behind(tmp_path):
    helper = onnx.helper
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "same",
        [value("x", onnx.TensorProto.FLOAT, ["n"])],
        [value("y", onnx.TensorProto.FLOAT, ["n"])],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), tmp_path / "m.onnx")
    home = tmp_path / "home"
    home.mkdir()
    code = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from xlt.core.inference.session import Session\n"
        "session = Session(Path(sys.argv[1]), device='cpu', threads=1)\n"
        "session.run({'x': np.ones(3, np.float32)}, ['y'])\n"
    )
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ORT_", "XDG_"))}
    command = [sys.executable, "-c", code, str(tmp_path / "m.onnx")]
    done = subprocess.run(
        command, env={**kept, "HOME": str(home)}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert [str(path) for path in home.rglob("*")] == []


@pytest.mark.parametrize(
    "module", ["xlt.evalsuite.workers.ray_engine", "xlt.study.engine.ray_engine"]
)
def test_ray_does_not_tell_its_use(module):
    pytest.importorskip("ray", reason="Ray is not installed")
    code = (
        f"import {module}\n"
        "from ray._common.usage.usage_lib import usage_stats_enabled\n"
        "assert not usage_stats_enabled()\n"
    )
    kept = {k: v for k, v in os.environ.items() if k != "RAY_USAGE_STATS_ENABLED"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=kept, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
