"""Tiny bundles of every kind, built with `onnx` alone, and servers that run them in a thread.

The graphs look token vectors up in a seeded table, so that every text has an answer of its own.
Two tokens are bad on purpose: "nanbomb" gives infinity, and "crashbomb" an id outside the table.
"""

import http.client
import json
import socket
import threading
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from prometheus_client.parser import text_string_to_metric_families
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    pre_tokenizers,
    processors,
    trainers,
)

from xlt.core.artifacts.bundle import write_manifest
from xlt.core.inference.engine import Engine
from xlt.core.tasks.table import TASKS
from xlt.serve.app.frame import App
from xlt.serve.app.server import Bind, Server, config_of
from xlt.serve.compute.metrics import Metrics
from xlt.serve.compute.models import Models
from xlt.serve.compute.sources import Loading, Source
from xlt.serve.limits import Limits
from xlt.serve.settings import Settings

WIDTH = 16
TEXTS = [
    "the cat sat on the mat and the dog sat on the cat",
    "der Hund schläft unter dem Tisch, die Katze wärmt sich am Ofen.",
    "собака спит под столом, а кошка греется у печки.",
]
SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
BOMBS = ["nanbomb", "crashbomb"]


def write_tokenizer(folder):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=360,
        special_tokens=SPECIALS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.add_tokens([AddedToken(bomb, normalized=False) for bomb in BOMBS])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"bos_token": "<s>", "cls_token": "<s>", "pad_token": "<pad>", "sep_token": "</s>",
             "unk_token": "<unk>", "mask_token": "<mask>"}  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(names))
    (folder / "special_tokens_map.json").write_text(json.dumps(names))
    config = {"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1,
              "type_vocab_size": 1, "vocab_size": tokenizer.get_vocab_size()}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    return tokenizer


def write_graph(path, kind, vocab_size, n_out, seed, *, pooled=False, mebibytes=0):
    """Table lookup; then a linear layer on every token, or on the maximum over tokens.

    An encoder gives its token vectors, or with `pooled` the first of them alone. With `mebibytes`
    it has weights of that size besides, which change nothing.
    """
    rng = np.random.default_rng(seed)
    table = rng.standard_normal((vocab_size - 1, WIDTH)).astype(np.float32)  # crashbomb: no row
    table[vocab_size - 2] = np.inf  # nanbomb
    head = rng.standard_normal((WIDTH, n_out)).astype(np.float32)
    looked_up = "looked_up" if mebibytes else "tokens"
    axes = ["batch", "choices", "length"] if kind == "choice" else ["batch", "length"]
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], [looked_up]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
    ]
    if mebibytes:
        nodes += [
            helper.make_node("Gather", ["ballast", "input_ids"], ["heavy"]),
            helper.make_node("Unsqueeze", ["heavy", "last"], ["heavy1"]),
            helper.make_node("Add", ["looked_up", "heavy1"], ["tokens"]),
        ]
    outputs = ["start_logits", "end_logits"] if kind == "span" else ["logits"]
    if kind in ("tag", "span", "embed"):
        nodes.append(helper.make_node("MatMul", ["tokens", "head"], ["scores"]))
        if kind == "span":
            for i, name in enumerate(outputs):
                nodes.append(helper.make_node("Gather", ["scores", f"place{i}"], [name], axis=-1))
        elif pooled:
            outputs = ["sentence_embedding"]
            nodes.append(helper.make_node("Gather", ["scores", "place0"], outputs, axis=1))
        else:
            outputs = ["last_hidden_state"] if kind == "embed" else outputs
            nodes.append(helper.make_node("Identity", ["scores"], outputs))
    else:
        nodes += [
            helper.make_node("Sub", ["mask", "one"], ["padding"]),
            helper.make_node("Mul", ["padding", "much"], ["low"]),
            helper.make_node("Unsqueeze", ["low", "last"], ["low1"]),
            helper.make_node("Add", ["tokens", "low1"], ["masked"]),
            helper.make_node("ReduceMax", ["masked", "second_last"], ["top"], keepdims=0),
            helper.make_node("MatMul", ["top", "head"], ["scores"]),
        ]
        if kind == "choice":
            nodes.append(helper.make_node("Squeeze", ["scores", "last"], ["logits"]))
        else:
            nodes.append(helper.make_node("Identity", ["scores"], ["logits"]))
    constants = {
        "table": table, "head": head, "last": np.array([-1]), "second_last": np.array([-2]),
        "place0": np.array(0), "place1": np.array(1),
        "one": np.float32(1), "much": np.float32(1e9),
        "ballast": np.zeros(max(1, mebibytes << 18), np.float32),
    }  # fmt: skip
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        kind,
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, axes)
            for name in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(v, k) for k, v in constants.items() if k in used],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))


KINDS = {  # bundle name -> task, width of the last layer
    "xnli": ("xnli", 3),
    "csqa": ("csqa", 1),
    "panx": ("panx", 7),
    "xquad": ("xquad", 2),
    "encoder": ("tatoeba", WIDTH),
}


def write_bundle(folder, name, *, seed=1, pooled=False, mebibytes=0, **manifest):
    task, n_out = KINDS[name]
    record = TASKS[task]
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = write_tokenizer(folder)
    size = tokenizer.get_vocab_size()
    shape = {"pooled": pooled, "mebibytes": mebibytes}
    write_graph(folder / "onnx/model.onnx", record.kind, size, n_out, seed, **shape)
    fields = {
        "name": name,
        "task": record.to_json(),
        "answers": ["bucc2018", "tatoeba"] if name == "encoder" else [task],
        "max_length": record.max_length,
        "pooling": "mean" if name == "encoder" else None,
        "variants": {"fp32": {"file": "onnx/model.onnx", "files": ["onnx/model.onnx"]}},
        **manifest,
    }
    write_manifest(folder, fields)
    return folder


@pytest.fixture(scope="session")
def bundles(tmp_path_factory) -> dict[str, Path]:
    """name -> bundle of each kind; do not write into them."""
    root = tmp_path_factory.mktemp("bundles")
    return {
        name: write_bundle(
            root / name, name, seed=seed, **({"dimensions": [4, 8]} if name == "encoder" else {})
        )
        for seed, name in enumerate(KINDS)
    }


@pytest.fixture
def make_bundle(tmp_path):
    """Write a bundle of its own: make_bundle("encoder", pooled=True) -> its folder."""
    return lambda name, **changes: write_bundle(tmp_path / name, name, **changes)


@pytest.fixture(scope="session")
def engines(bundles):
    """name -> the same models, opened without a server."""
    return {name: Engine.open(path, threads=1) for name, path in bundles.items()}


class SlowSession:
    """A model's session that takes its time."""

    def __init__(self, model, seconds, sizes):
        self.inner, self.seconds, self.sizes = model.engine.session, seconds, sizes

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def run(self, feeds, outputs):
        self.sizes.append(len(feeds["input_ids"]))
        time.sleep(self.seconds)
        return self.inner.run(feeds, outputs)


class Running:
    """A server in a thread, on a free port."""

    def __init__(
        self,
        sources,
        *,
        bind=None,
        loading=None,
        spans=None,
        metrics_on=True,
        loop="auto",
        **settings,
    ):
        self.loading = loading or Loading(device="cpu", threads=1, batch_tokens=256)
        metrics = Metrics()
        self.app = App(
            Settings(metrics=metrics_on, **settings),
            Models(self.loading, metrics),
            metrics,
            spans=spans,
        )
        self.bind = bind or Bind(port=0)
        self.sources = sources
        self.loop = loop  # auto is uvloop, where there is one
        self.url = ""
        self.thread = threading.Thread(target=self._run, name="test-server", daemon=True)

    def _run(self):
        config = config_of(self.app, self.bind)
        config.loop = self.loop
        self.server = Server(config, self.app, self.sources, self._opened)
        self.server.run(sockets=[self.bind.open()])

    def _opened(self, url):
        self.url = url

    def start(self, *, ready=True):
        self.thread.start()
        deadline = time.monotonic() + 20
        while not self.url or (ready and self.app.state.ready is not None):
            assert self.thread.is_alive(), "the server ended"
            assert time.monotonic() < deadline, self.app.state.ready
            time.sleep(0.005)
        return self

    def total(self, name, **labels):
        """The sum of a metric's samples with these labels."""
        _, _, text = self.call("GET", "/metrics")
        return sum(
            sample.value
            for family in text_string_to_metric_families(text.decode())
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    @property
    def waiting(self):
        """Requests that are admitted and not answered."""
        return len(self.app.state.scheduler.admission.tickets)

    @property
    def queued(self):
        """Rows that wait for the worker."""
        return len(self.app.state.scheduler.lanes)

    @property
    def computing(self):
        """Whether the worker has a batch in hand."""
        return self.app.state.scheduler.worker.batch is not None

    @staticmethod
    def wait(condition, seconds=60):
        """Wait until something holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def slow(self, seconds):
        """Let every batch take some time; returns the number of rows of each batch, as it grows."""
        sizes = []
        for model in self.app.state.models.table.values():
            object.__setattr__(model.engine, "session", SlowSession(model, seconds, sizes))
        return sizes

    def stop(self):
        self.server.end_now()
        self.thread.join(20)
        assert not self.thread.is_alive()

    @property
    def port(self):
        return int(self.url.rsplit(":", 1)[1].split("/")[0])

    def call(self, method, path, body=None, headers=None, timeout=30):
        """(status, headers, body) of one request; JSON is decoded."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            if body is not None and not isinstance(body, bytes):
                body = json.dumps(body).encode()
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            data = reply.read()
            if data and reply.headers.get_content_type() == "application/json":
                data = json.loads(data)
            return reply.status, reply.headers, data
        finally:
            connection.close()

    def post(self, path, body, **headers):
        """The decoded answer of a POST that has to succeed."""
        status, _, data = self.call("POST", path, body, headers)
        assert status == 200, data
        return data

    def raw(self, data, *, timeout=10, close=False):
        """Bytes in, bytes out, on a socket of its own, until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as link:
            link.sendall(data)
            if close:
                link.shutdown(socket.SHUT_WR)
            received = b""
            while chunk := link.recv(1 << 16):
                received += chunk
            return received


@pytest.fixture(scope="session")
def run_server():
    """Start servers; they are stopped at the end of the session."""
    started = []

    def start(sources, *, ready=True, **settings):
        running = Running(
            [Source(name=name, path=path) for name, path in sources.items()], **settings
        )
        started.append(running)
        return running.start(ready=ready)

    yield start
    for running in started:
        if running.thread.is_alive():
            running.stop()


@pytest.fixture(scope="session")
def server(run_server, bundles):
    """A server with one model of each kind; shared, so leave it as it is."""
    return run_server(bundles, limits=Limits(read_seconds=5.0))
