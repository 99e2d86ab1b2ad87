"""The server as Ray Serve replicas: the same answers as one server gives."""

import asyncio
import json
import socket
import time

import numpy as np
import pytest

from xlt.client.api import Client
from xlt.core.errors import ModelError, UsageError, XltError

pytest.importorskip("ray.serve", reason="Ray Serve is not installed")

from xlt.serve.ray_app import Hosted, Options, build

TEXTS = ["the cat sat", "der Hund schläft", "собака спит под столом"]


def test_options_come_as_text_or_numbers():
    read = Options.read({"models": "a,b", "replicas": "3", "cpus": 2, "gpus": "0.5"})
    assert read == Options(models="a,b", replicas=3, cpus=2.0, gpus=0.5)


def test_all_mistakes_show_at_once():
    with pytest.raises(UsageError) as caught:
        build({"replica": "2", "cpus": "many", "gpus": -1})
    message = caught.value.message
    for part in ("4 mistakes", "did you mean 'replicas'", "'many'", "gpus=-1", "models is missing"):
        assert part in message


async def live(hosted):
    """Starts the application as a host does; returns what it said and a way to stop it."""
    to_app, from_app = asyncio.Queue(), asyncio.Queue()
    task = asyncio.create_task(hosted({"type": "lifespan"}, to_app.get, from_app.put))
    await to_app.put({"type": "lifespan.startup"})
    said = await from_app.get()

    async def stop():
        await to_app.put({"type": "lifespan.shutdown"})
        assert (await from_app.get())["type"] == "lifespan.shutdown.complete"
        await task

    return said, stop, task


async def get(hosted, path):
    """(status, body) of one request without a network."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
    await hosted(scope, receive, send)
    return sent[0]["status"], json.loads(b"".join(part.get("body", b"") for part in sent[1:]))


def test_a_host_starts_and_stops_it(bundles):
    async def run():
        hosted = Hosted(Options(models=f"{bundles['xnli']},nli={bundles['xnli']}"))
        with pytest.raises(XltError, match="not started"):
            hosted.check()
        said, stop, _ = await live(hosted)
        assert said["type"] == "lifespan.startup.complete"
        hosted.check()
        status, body = await get(hosted, "/v1/models")
        assert status == 200 and [model["id"] for model in body["data"]] == ["xnli", "nli"]
        assert (await get(hosted, "/metrics"))[0] == 404
        assert (await get(hosted, "/admin/models"))[0] == 404
        await stop()
        with pytest.raises(XltError, match="shutting down"):
            hosted.check()

    asyncio.run(run())


def test_a_replica_without_a_model_does_not_start(tmp_path):
    async def run():
        said, _, task = await live(Hosted(Options(models=str(tmp_path))))
        assert said["type"] == "lifespan.startup.failed"
        with pytest.raises(ModelError):
            await task

    asyncio.run(run())


@pytest.fixture
def ray_port(ray_cluster):
    """Serve's proxy on a free port."""
    import ray
    from ray import serve

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    ray.init(address=ray_cluster.address, logging_level="error", log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    yield port
    serve.shutdown()
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray leaves files and sockets to the garbage collector
def test_replicas_answer_as_one_server_does(ray_port, bundles, server):
    from ray import serve

    models = f"{bundles['encoder']},{bundles['xnli']}"
    serve.run(build({"models": models, "replicas": "2", "cpus": "0.5", "batch_tokens": "256"}))
    with Client(f"http://127.0.0.1:{ray_port}") as there, Client(server.url) as here:
        for _ in range(300):  # Ray's proxy learns of a ready application a little later
            if there.ready():
                break
            time.sleep(0.1)
        assert there.ready()
        assert [model.id for model in there.models()] == ["encoder", "xnli"]
        for _ in range(6):
            np.testing.assert_array_equal(there.embed(TEXTS), here.embed(TEXTS))
            assert there.classify(TEXTS) == here.classify(TEXTS)
        with pytest.raises(ModelError, match=r"no model 'xnl'.*did you mean 'xnli'"):
            there.classify(TEXTS, model="xnl")
        with pytest.raises(UsageError, match="empty"):
            there.embed([""])
