"""What `xlt serve` is measured beside: the bare model, a model that computes nothing, a peer."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import load
import numpy as np
from load import Running

OFFLINE = {
    "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "DO_NOT_TRACK": "1",
    "INFINITY_ANONYMOUS_USAGE_STATS": "0", "ORT_DISABLE_TELEMETRY": "1",
}  # fmt: skip

# The peer with as many compute threads as it has cores; it has no option for that.
LIMITED = """
import sys
import onnxruntime

threads = int(sys.argv.pop(1))
start = onnxruntime.InferenceSession.__init__

def limited(self, path, sess_options=None, *rest, **more):
    sess_options = sess_options or onnxruntime.SessionOptions()
    sess_options.intra_op_num_threads = threads
    start(self, path, sess_options, *rest, **more)

onnxruntime.InferenceSession.__init__ = limited
from infinity_emb.cli import cli

cli()
"""


class RawModel:
    """Tokeniser and session without a server, in a process on the server's cores."""

    def __init__(self, bundle: Path, cpus: set[int], clients: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(bundle), str(len(cpus)), str(clients)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cpus),
        )

    def run(self, seconds: float) -> dict[str, float]:
        """The best speed within some seconds."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        figures: dict[str, float] = json.loads(self.process.stdout.readline())
        return figures

    def stop(self) -> None:
        """End the process."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


def raw_model(bundle: Path, threads: int, clients: int) -> None:
    """Answer each line of stdin (seconds) with the best speed over some batch sizes.

    As many texts as there are clients are in hand at a time; they are sorted by length and split
    into batches.
    """
    import onnxruntime
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
    tokenizer.no_padding()
    length = json.loads((bundle / "xlt.json").read_text())["max_length"]
    tokenizer.enable_truncation(length)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        str(bundle / "onnx" / "model.onnx"), settings, providers=["CPUExecutionProvider"]
    )
    names = {node.name for node in session.get_inputs()}
    sizes = sorted({max(1, clients // part) for part in (1, 2, 4, clients)})

    def compute(encoded: list[Any]) -> None:
        width = max(len(each) for each in encoded)
        ids = np.zeros((len(encoded), width), np.int64)
        mask = np.zeros((len(encoded), width), np.int64)
        for place, each in enumerate(encoded):
            ids[place, : len(each)] = each.ids
            mask[place, : len(each)] = 1
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": ids * 0}
        session.run(None, {name: feeds[name] for name in names})

    for line in sys.stdin:
        best = {"texts_per_second": 0.0}
        for rows in sizes:
            source = load.texts(rows, long_share=0)
            done, tokenizing = 0, 0.0
            started, cpu = time.perf_counter(), time.process_time()
            while time.perf_counter() - started < float(line) / len(sizes):
                before = time.process_time()
                encoded = tokenizer.encode_batch_fast([next(source)[1] for _ in range(clients)])
                tokenizing += time.process_time() - before
                encoded.sort(key=len)
                for first in range(0, clients, rows):
                    compute(encoded[first : first + rows])
                done += clients
            speed = done / (time.perf_counter() - started)
            if speed > best["texts_per_second"]:
                best = {
                    "texts_per_second": speed,
                    "batch": rows,
                    "cpu_us_per_text": 1e6 * (time.process_time() - cpu) / done,
                    "tokenize_us": 1e6 * tokenizing / done,
                }
        print(json.dumps(best), flush=True)


def null_bundle(bundle: Path, work: Path) -> Path:
    """A bundle with the same tokenizer and width whose model computes next to nothing."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from xlt.core.artifacts.bundle import write_manifest

    folder = work / "null"
    manifest = json.loads((bundle / "xlt.json").read_text())
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "onnx").mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                 "config.json"):  # fmt: skip
        shutil.copy(bundle / name, folder / name)
    width = json.loads((bundle / "config.json").read_text()).get("hidden_size", 384)
    table = np.random.default_rng(1).standard_normal((16, width)).astype(np.float32)
    ids = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"])
           for name in ("input_ids", "attention_mask")]  # fmt: skip
    axes = ["batch", "length", width]
    graph = helper.make_graph(
        [
            helper.make_node("Mod", ["input_ids", "sixteen"], ["row"]),
            helper.make_node("Gather", ["table", "row"], ["last_hidden_state"]),
        ],
        "null",
        ids,
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, axes)],
        [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array(16), "sixteen")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(folder / "onnx" / "model.onnx"))
    kept = {key: manifest[key] for key in ("task", "answers", "max_length")}
    write_manifest(folder, {
        "name": "null", **kept, "pooling": "mean",
        "variants": {"fp32": {"file": "onnx/model.onnx", "files": ["onnx/model.onnx"]}},
    })  # fmt: skip
    return folder


def start_infinity(
    venv: Path, bundle: Path, *, work: Path, cpus: set[int], limited: bool
) -> Running:
    """infinity-emb on the same weights, cut to the same length.

    Its ONNX engine wants the bare file in the working folder, and cuts at the configuration's
    `max_position_embeddings`, which is therefore set to the bundle's length.

    Args:
        venv: its environment.
        bundle: whose model it serves.
        work: for its folder.
        cpus: cores for all of its threads.
        limited: as many compute threads as cores. As it comes, it starts one for each core of
            the machine, and they take turns at the cores it is given.
    """
    name = "infinity, limited" if limited else "infinity"
    folder = work / name.replace(", ", "-")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in [*bundle.glob("*.json"), *(bundle / "onnx").glob("model.onnx*")]:
        shutil.copy(path, folder / path.name)
    config = json.loads((folder / "config.json").read_text())
    config["max_position_embeddings"] = json.loads((bundle / "xlt.json").read_text())["max_length"]
    (folder / "config.json").write_text(json.dumps(config))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    threads = str(len(cpus))
    command = [str(venv.absolute() / "bin" / "infinity_emb")]
    if limited:
        command = [str(venv.absolute() / "bin" / "python"), "-c", LIMITED, threads]
    arguments = [
        *command, "v2",
        "--model-id", ".", "--served-model-name", "model",
        "--engine", "optimum", "--device", "cpu", "--pooling-method", "mean",
        "--onnx-disable-optimize", "--no-bettertransformer", "--no-compile",
        "--host", "127.0.0.1", "--port", str(port),
    ]  # fmt: skip
    server = load.start(
        name, arguments, cpus=cpus, ready=lambda url: f"{url}/health",
        route="/embeddings", url=f"http://127.0.0.1:{port}", cwd=folder,
        env={**OFFLINE, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads,
             "INFINITY_HOME": str(folder), "HF_HOME": str(folder)},
    )  # fmt: skip
    # ONNX Runtime pins its threads to cores of its own choice, past the limits of its process.
    for thread in Path(f"/proc/{server.process.pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cpus)
    return server


if __name__ == "__main__":
    raw_model(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
