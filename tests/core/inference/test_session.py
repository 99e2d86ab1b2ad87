"""ONNX Runtime sessions: devices, threads, wheels and damaged files."""

import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from xlt.core.errors import MissingExtra, ModelError, UsageError
from xlt.core.inference import session
from xlt.core.inference.session import Session, usable_cores


@pytest.fixture
def graph(tmp_path, graphs):
    graphs.write(tmp_path / "model.onnx", "embed", 50)
    return tmp_path / "model.onnx"


def feeds(**more):
    ids = np.array([[3, 4, 5]], np.int32)
    return {"input_ids": ids, "attention_mask": np.ones_like(ids), **more}


def test_only_the_outputs_asked_for_are_fetched_in_their_order(graph, graphs):
    opened = Session(graph, device="cpu", threads=1)
    assert opened.inputs == {"input_ids": "tensor(int64)", "attention_mask": "tensor(int64)"}
    assert opened.outputs == ["last_hidden_state", "sentence_embedding"]
    assert opened.device == "cpu"
    (pooled,) = opened.run(feeds(), ["sentence_embedding"])
    both = opened.run(feeds(), ["sentence_embedding", "last_hidden_state"])
    assert [array.shape for array in both] == [(1, graphs.width), (1, 3, graphs.width)]
    assert np.array_equal(both[0], pooled)


def test_arrays_that_the_graph_does_not_want_are_left_out(graph):
    opened = Session(graph, threads=1)
    plain = opened.run(feeds(), ["sentence_embedding"])
    more = opened.run(feeds(token_type_ids=np.ones((1, 3))), ["sentence_embedding"])
    assert np.array_equal(plain[0], more[0])


def test_missing_input_and_output_are_named(graph):
    opened = Session(graph, threads=1)
    with pytest.raises(ModelError, match="input 'attention_mask'"):
        opened.run({"input_ids": np.zeros((1, 2))}, ["sentence_embedding"])
    with pytest.raises(ModelError, match=r"no output logits; it has last_hidden_state, sentence"):
        opened.run(feeds(), ["logits"])


def test_failure_inside_the_graph_names_the_shapes(graph):
    bad = feeds() | {"input_ids": np.array([[3, 4, 5000]])}
    with pytest.raises(ModelError, match=r"failed on input_ids \(1, 3\)"):
        Session(graph, threads=1).run(bad, ["sentence_embedding"])


@pytest.mark.parametrize("damage", [b"", b"not a graph", None])
def test_damaged_graph_is_a_model_error(graph, damage):
    whole = graph.read_bytes()
    graph.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    with pytest.raises(ModelError, match=r"model\.onnx: ONNX Runtime cannot load it"):
        Session(graph)


def test_missing_graph_is_a_model_error(tmp_path):
    with pytest.raises(ModelError, match="no such file"):
        Session(tmp_path / "model.onnx")


def fake_runtime(available, working):
    """A runtime that offers some providers, of which some can be started."""

    class InferenceSession:
        def __init__(self, path, options, providers):
            names = [name if isinstance(name, str) else name[0] for name in providers]
            self.options, self.providers = providers, [n for n in names if n in working]

        def get_providers(self):
            return self.providers

        def get_inputs(self):
            return []

        get_outputs = get_inputs

    return SimpleNamespace(
        get_available_providers=lambda: available,
        SessionOptions=SimpleNamespace,
        InferenceSession=InferenceSession,
        preload_dlls=lambda: print("talk of the runtime"),  # noqa: T201
    )


CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


def test_explicit_cuda_without_its_provider_is_refused(graph):
    with pytest.raises(ModelError, match="device cuda:1 is not there") as caught:
        Session(graph, device="cuda:1")
    assert "--device cpu" in caught.value.hint


def test_explicit_cuda_that_does_not_start_is_no_silent_cpu_run(graph, monkeypatch):
    monkeypatch.setattr(session, "_runtime", lambda: fake_runtime([CUDA, CPU], [CPU]))
    with pytest.raises(ModelError, match="could not be started"):
        Session(graph, device="cuda")
    assert Session(graph, device="auto").device == "cpu"


def test_auto_takes_cuda_when_it_works(graph, monkeypatch, capsys):
    monkeypatch.setattr(session, "_runtime", lambda: fake_runtime([CUDA, CPU], [CUDA, CPU]))
    assert Session(graph, device="auto").device == "cuda:0"
    chosen = Session(graph, device="cuda:3")
    assert chosen.device == "cuda:3"
    assert chosen._session.options == [(CUDA, {"device_id": 3, "use_tf32": "0"}), CPU]
    assert Session(graph, device="cpu").device == "cpu"
    assert capsys.readouterr().out == ""


def test_no_runtime_names_both_ways_to_install_one(graph, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra) as caught:
        Session(graph)
    assert "[gpu]" in caught.value.message
    assert "[cpu]" in caught.value.hint
    assert caught.value.exit_code == 6


def test_both_wheels_are_refused_with_the_repair_line(graph, monkeypatch, tmp_path):
    for name in ("onnxruntime", "onnxruntime_gpu"):
        folder = tmp_path / "site" / f"{name}-9.9.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    with pytest.raises(UsageError, match="both installed") as caught:
        Session(graph)
    assert caught.value.hint.startswith("pip uninstall -y onnxruntime onnxruntime-gpu && pip inst")
    assert caught.value.exit_code == 2


def test_threads_default_to_the_affinity_mask(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(6)))
    assert usable_cores(tmp_path) == 6


def write(root, path, text):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"sys/fs/cgroup/cpu.max": "250000 100000\n"}, 2),
        ({"sys/fs/cgroup/a/b/cpu.max": "50000 100000\n"}, 1),
        ({"sys/fs/cgroup/a/b/cpu.max": "max 100000\n", "sys/fs/cgroup/a/cpu.max": "300000 100000"},
         3),
        ({"sys/fs/cgroup/a/b/cpu.max": "max 100000\n"}, 6),
        ({"sys/fs/cgroup/a/b/cpu.max": "9900000 100000\n"}, 6),
        ({}, 6),
    ],
)  # fmt: skip
def test_cgroup_v2_quota_bounds_the_threads(monkeypatch, tmp_path, files, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(6)))
    write(tmp_path, "proc/self/cgroup", "0::/a/b\n")
    for path, text in files.items():
        write(tmp_path, path, text)
    assert usable_cores(tmp_path) == cores


@pytest.mark.parametrize(("quota", "cores"), [("400000", 4), ("-1", 6), ("10000", 1)])
@pytest.mark.parametrize("place", ["", "docker/abc"])
def test_cgroup_v1_quota_bounds_the_threads(monkeypatch, tmp_path, quota, cores, place):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(6)))
    write(tmp_path, "proc/self/cgroup", "12:pids:/x\n4:cpu,cpuacct:/docker/abc\n")
    write(tmp_path, f"sys/fs/cgroup/cpu/{place}/cpu.cfs_quota_us", quota + "\n")
    write(tmp_path, f"sys/fs/cgroup/cpu/{place}/cpu.cfs_period_us", "100000\n")
    assert usable_cores(tmp_path) == cores


def test_threads_are_given_to_the_runtime(graph, monkeypatch):
    monkeypatch.setattr(session, "usable_cores", lambda: 5)
    seen = []
    runtime = fake_runtime([CPU], [CPU])
    plain = runtime.InferenceSession
    runtime.InferenceSession = lambda path, options, providers: (
        seen.append((options.intra_op_num_threads, options.inter_op_num_threads))
        or plain(path, options, providers)
    )
    monkeypatch.setattr(session, "_runtime", lambda: runtime)
    Session(graph)
    Session(graph, threads=2)
    assert seen == [(5, 1), (2, 1)]


def test_bound_values_give_the_bits_of_a_plain_run(graph):
    opened = Session(graph, device="cpu", threads=1)
    assert not opened.binds
    plain = opened.run(feeds(), ["last_hidden_state", "sentence_embedding"])
    opened.binds = True  # what a GPU does, here with values of the CPU
    bound = opened.run(feeds(), ["last_hidden_state", "sentence_embedding"])
    assert [array.dtype for array in bound] == [array.dtype for array in plain]
    assert all(np.array_equal(a, b) for a, b in zip(plain, bound, strict=True))
    with pytest.raises(ModelError, match="failed on"):
        opened.run({**feeds(), "input_ids": np.zeros((2, 2, 2), np.int64)}, ["last_hidden_state"])
