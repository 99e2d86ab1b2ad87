"""What follows the pooling: dense layers read from a bundle, and files that are refused."""

import json
import math
import struct

import numpy as np
import pytest

from xlt.core.artifacts.tensors import read_tensors, write_tensors
from xlt.core.errors import ModelError
from xlt.core.inference.head import read_head


def test_tensors_come_back_and_equal_ones_give_equal_bytes(tmp_path):
    arrays = {"b": np.arange(3, dtype=np.float32), "a": np.eye(2, dtype=np.float32)}
    write_tensors(tmp_path / "x", arrays)
    write_tensors(tmp_path / "y", dict(reversed(arrays.items())))
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()
    found = read_tensors(tmp_path / "x")
    assert all(np.array_equal(found[name], arrays[name]) for name in arrays)


@pytest.mark.parametrize(
    ("header", "data"),
    [
        ({"a": {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]}}, b"\0" * 2),
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, b"\0" * 4),
        ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}, b"\0" * 4),
        ({"a": {"dtype": "F32", "shape": [-1, -1], "data_offsets": [0, 4]}}, b"\0" * 4),
        ({"a": 3}, b""),
        ([], b""),
    ],
)
def test_damaged_tensor_files_are_refused(tmp_path, header, data):
    text = json.dumps(header).encode()
    (tmp_path / "x").write_bytes(struct.pack("<Q", len(text)) + text + data)
    with pytest.raises(ModelError, match="not a safetensors file"):
        read_tensors(tmp_path / "x")
    (tmp_path / "x").write_bytes(struct.pack("<Q", 1 << 40) + data)
    with pytest.raises(ModelError, match="not a safetensors file"):
        read_tensors(tmp_path / "x")


def dense(folder, weight, bias=None):
    given = {"linear.weight": np.array(weight, np.float32)}
    if bias is not None:
        given["linear.bias"] = np.array(bias, np.float32)
    write_tensors(folder / "model.safetensors", given)


@pytest.mark.parametrize(
    ("activation", "expected"),
    [("identity", -1.0), ("tanh", math.tanh(-1)), ("relu", 0.0),
     ("gelu", -0.15865525), ("sigmoid", 0.26894142)],
)  # fmt: skip
def test_a_dense_layer_and_its_activation(tmp_path, activation, expected):
    dense(tmp_path / "2_Dense", [[1.0, -1.0]], [1.0])
    step = {"type": "dense", "path": "2_Dense", "activation": activation}
    found = read_head(tmp_path, [step])(np.array([1.0, 3.0]))
    assert found == pytest.approx([expected], abs=1e-6)


def test_scaling_stands_where_it_is_listed(tmp_path):
    dense(tmp_path / "d", [[1.0, 0.0], [0.0, 1.0]], [1.0, 1.0])
    steps = [{"type": "unit"}, {"type": "dense", "path": "d", "activation": "identity"}]
    assert read_head(tmp_path, steps)(np.array([3.0, 4.0])) == pytest.approx([1.6, 1.8])


def test_layers_that_do_not_fit_and_unknown_steps_are_refused(tmp_path):
    dense(tmp_path / "a", [[1.0, 0.0]])
    dense(tmp_path / "b", [[1.0, 0.0]])
    step = {"type": "dense", "activation": "tanh"}
    with pytest.raises(ModelError, match="fits the one before"):
        read_head(tmp_path, [{**step, "path": "a"}, {**step, "path": "b"}])
    dense(tmp_path / "c", [[1.0]], [1.0, 2.0])
    with pytest.raises(ModelError, match="a bias of shape"):
        read_head(tmp_path, [{**step, "path": "c"}])
    with pytest.raises(ModelError, match="does not know"):
        read_head(tmp_path, [{"type": "whiten"}])
