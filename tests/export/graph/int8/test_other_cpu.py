"""int8 on a CPU without VNNI (Haswell, emulated by qemu): the same bits, or a refusal."""

import json
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest

import xlt
from xlt.core.inference.int8 import wrong_products
from xlt.core.inference.session import Session
from xlt.export import export

QEMU = shutil.which("qemu-x86_64")
TEXTS = [
    "The ferry is late.",
    "Паром опаздывает.",
    "船晚点了。",
    "seven old houses and a mill " * 6,
]
CHILD = """
import json, sys
import numpy as np
from pathlib import Path
import xlt
from xlt.core.errors import ModelError
from xlt.core.inference.int8 import wrong_products
from xlt.core.inference.session import Session

bundle, products, feeds, out, texts = sys.argv[1:]
session = Session(Path(products), device="cpu", threads=1)
found = session.run(dict(np.load(feeds)), session.outputs)
engine = xlt.open(bundle, precision="int8", device="cpu", threads=1)
vectors = engine.encode(json.loads(texts))
np.savez(out, vectors=vectors, **dict(zip(session.outputs, found)))
said = 0
try:
    xlt.open(bundle, precision="int8-vnni", device="cpu", threads=1)
except ModelError as error:
    said = error.exit_code
print(json.dumps([wrong_products(64), wrong_products(127), said]))
"""


def products_of(graph, feeds, folder):
    """A model of a graph's 8-bit products alone, and the bytes that they are given."""
    model = onnx.load(str(graph))
    nodes = [node for node in model.graph.node if node.op_type == "MatMulIntegerToFloat"]
    names = sorted({node.input[0] for node in nodes})
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    onnx.save(model, str(folder / "watched.onnx"))
    watched = Session(folder / "watched.onnx", device="cpu", threads=1, int8=True)
    arrays = dict(zip(names, watched.run(feeds, names), strict=True))
    used = {name for node in nodes for name in node.input}
    alone = onnx.helper.make_graph(
        nodes,
        "products",
        [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.UINT8, [None, arrays[n].shape[1]])
         for n in names],
        [onnx.helper.make_tensor_value_info(node.output[0], onnx.TensorProto.FLOAT, None)
         for node in nodes],
        [tensor for tensor in model.graph.initializer if tensor.name in used],
    )  # fmt: skip
    onnx.save(
        onnx.helper.make_model(
            alone, opset_imports=model.opset_import, ir_version=model.ir_version
        ),
        str(folder / "products.onnx"),
    )
    np.savez(folder / "bytes.npz", **arrays)
    return folder / "products.onnx", arrays


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(QEMU is None, reason="no qemu-x86_64 here (apt-get install qemu-user)")
def test_products_have_the_same_bits_on_haswell_and_larger_weights_are_refused(
    checkpoints, tmp_path
):
    if wrong_products(127):
        pytest.skip("this CPU has no VNNI, so int8-vnni cannot be exported here")
    bundle = tmp_path / "b"
    export(checkpoints(kind="embed"), out=bundle, layer="last", precision="fp32,int8,int8-vnni")
    ids = np.random.default_rng(3).integers(5, 300, (5, 41))
    feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    products, arrays = products_of(bundle / "onnx/model_int8.onnx", feeds, tmp_path)
    out = tmp_path / "found.npz"
    done = subprocess.run(
        [QEMU, "-cpu", "Haswell", sys.executable, "-c", CHILD, bundle, products,
         tmp_path / "bytes.npz", out, json.dumps(TEXTS)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    exact, overflow, said = json.loads(done.stdout.splitlines()[-1])
    assert exact == ""  # within +-64
    assert overflow and said == 4  # within +-127, which this CPU adds up wrongly
    found = np.load(out)
    session = Session(products, device="cpu", threads=1)
    assert len(session.outputs) == 3 * 6
    for name, here in zip(session.outputs, session.run(arrays, session.outputs), strict=True):
        assert np.array_equal(here, found[name]), name
    ours = xlt.open(bundle, precision="int8", device="cpu", threads=1).encode(TEXTS)
    # fp32 in between is summed in another order there, and a byte may fall on the other side
    assert (ours * found["vectors"]).sum(axis=1).min() > 0.9995
