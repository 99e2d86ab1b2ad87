"""A folder with a graph and no weights becomes a bundle, without torch."""

import json
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest

import xlt
from xlt.core.errors import CheckFailed, ModelError, UsageError
from xlt.export import export

TEXTS = ["The ferry is late.", "船晚点了。", "seven old houses stand beside the river"]
NO_TORCH = (
    "import sys\n"
    "for name in ('torch', 'transformers', 'optimum'): sys.modules[name] = None\n"
    "from pathlib import Path\n"
    "from xlt.export import export\n"
    "[made] = export(Path(sys.argv[1]), out=Path(sys.argv[2]))\n"
    "print(made.status)\n"
)


@pytest.fixture(scope="module")
def graphs(checkpoints, tmp_path_factory):
    """graphs(kind) -> (folder with a graph alone, the bundle it comes from)."""
    made = {}

    def get(kind, task=None):
        if kind not in made:
            place = tmp_path_factory.mktemp(f"graph-{kind}")
            bundle = place / "bundle"
            export(checkpoints(kind=kind), out=bundle, task=task)
            folder = place / "folder"
            shutil.copytree(bundle, folder)
            (folder / "xlt.json").unlink()
            (folder / "README.md").unlink()
            made[kind] = folder, bundle
        return made[kind]

    return get


@pytest.mark.parametrize("kind", ["pair", "tag", "embed"])
def test_a_graph_is_wrapped_in_a_process_without_torch(graphs, tmp_path, kind):
    folder, bundle = graphs(kind)
    out = tmp_path / "wrapped"
    done = subprocess.run(
        [sys.executable, "-c", NO_TORCH, str(folder), str(out)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "exported\n"
    manifest = json.loads((out / "xlt.json").read_text())
    assert manifest["parity"]["fp32"]["reference"] == "the same graph, each row alone"
    assert manifest["export"]["exporter"] == "none: the graph as it came"
    assert manifest["export"]["opset"] == 18
    assert (out / "onnx/model.onnx").read_bytes() == (bundle / "onnx/model.onnx").read_bytes()
    ours, theirs = (xlt.open(place).predict(TEXTS) for place in (out, bundle))
    for a, b in zip(ours, theirs, strict=True):
        assert np.array_equal(a, b) if kind == "embed" else repr(a) == repr(b)


def test_a_graph_is_wrapped_in_8_bits_alone(graphs, tmp_path):
    """Its opset was read after the fp32 graph was gone."""
    folder, _ = graphs("embed")
    [made] = export(folder, out=tmp_path / "b", precision="int8")
    assert made.status == "exported"
    manifest = json.loads((tmp_path / "b/xlt.json").read_text())
    assert list(manifest["variants"]) == ["int8"] and manifest["export"]["opset"] == 18
    # there is no PyTorch to compare a finished graph with, and the record said there was
    for record in manifest["parity"].values():
        assert record["reference"] == "the same graph, each row alone"
    card = (tmp_path / "b/README.md").read_text()
    assert "PyTorch" not in card and "## Same in every batch" in card
    assert not (tmp_path / "b/onnx/model.onnx").exists()


def test_a_wrapped_graph_cannot_be_cut(graphs, tmp_path):
    folder, _ = graphs("embed")
    with pytest.raises(UsageError, match=r"--layer 1: .* no weights"):
        export(folder, out=tmp_path / "b", layer=1)


def test_a_graph_of_another_kind_is_exit_4(graphs, tmp_path):
    folder, _ = graphs("pair")
    copy = tmp_path / "c"
    shutil.copytree(folder, copy)
    embed, _ = graphs("embed")
    shutil.copyfile(embed / "onnx/model.onnx", copy / "onnx/model.onnx")
    with pytest.raises(ModelError, match="a pair task reads logits"):
        export(copy, out=tmp_path / "b")


def test_a_graph_whose_answers_depend_on_the_batch_is_exit_5(graphs, tmp_path):
    folder, _ = graphs("pair")
    copy = tmp_path / "c"
    shutil.copytree(folder, copy)
    path = copy / "onnx/model.onnx"
    model = onnx.load(path)
    # logits + number of rows: what a scale over the whole batch does, made plain
    for node in model.graph.node:
        node.output[:] = ["raw" if name == "logits" else name for name in node.output]
    made = onnx.helper.make_node
    model.graph.node.extend(
        [
            made("Shape", ["input_ids"], ["size"], start=0, end=1),
            made("Cast", ["size"], ["rows"], to=onnx.TensorProto.FLOAT),
            made("Add", ["raw", "rows"], ["logits"]),
        ]
    )
    onnx.save(model, path)
    with pytest.raises(CheckFailed, match="a row alone and in a batch differ") as caught:
        export(copy, out=tmp_path / "b")
    assert caught.value.exit_code == 5
    assert (tmp_path / "b.failed" / "parity.json").is_file()
    assert not (tmp_path / "b").exists()


def test_external_data_outside_the_folder_is_refused(graphs, tmp_path):
    folder, _ = graphs("pair")
    copy = tmp_path / "c"
    shutil.copytree(folder, copy)
    path = copy / "onnx/model.onnx"
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    (copy / "onnx/weights.bin").rename(tmp_path / "weights.bin")
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../../weights.bin"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError):
        export(copy, out=tmp_path / "b")
    assert not (tmp_path / "b").exists()
