"""CONTRIBUTING.md's recipe: a route is one module, and one line in the table."""

import importlib.util

import pytest

from xlt.serve.routes import table

MODULE = '''
"""A toy route: how many words each text has."""

import orjson
from msgspec import Struct

from xlt.serve.http.bodies import Reply
from xlt.serve.request.call import Call
from xlt.serve.request.operation import Operation
from xlt.serve.request.schemas import Strict, Texts, decode, decoder


class CountRequest(Strict):
    """Texts to count."""

    inputs: Texts


class CountResponse(Struct, kw_only=True):
    """Words of each text."""

    counts: list[int]


COUNT = decoder(CountRequest)


async def count(call: Call) -> Reply:
    """Words of texts."""
    request = decode(COUNT, await call.body())
    return Reply(body=orjson.dumps({"counts": [len(text.split()) for text in request.inputs]}))


OPERATIONS = [
    Operation(
        method="POST", path="/v1/count", handler=count, name="count", group="tasks",
        summary="Count the words of texts.", request=CountRequest, response=CountResponse,
        example={"inputs": ["one two"]},
    ),
]
'''


@pytest.fixture
def toy(tmp_path):
    path = tmp_path / "count.py"
    path.write_text(MODULE)
    spec = importlib.util.spec_from_file_location("toy_route", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_route_is_one_module_and_one_line_in_the_table(toy, monkeypatch, run_server, bundles):
    monkeypatch.setattr(table, "ROUTES", [*table.ROUTES, toy.OPERATIONS])
    server = run_server({"xnli": bundles["xnli"]})
    assert server.post("/v1/count", {"inputs": ["one two", "three"]}) == {"counts": [2, 1]}
    status, _, answer = server.call("POST", "/v1/count", {"inputs": []})
    assert (status, answer["error"]["code"]) == (400, "empty_input")
    document = server.call("GET", "/openapi.json")[2]
    described = document["paths"]["/v1/count"]["post"]
    assert described["requestBody"]["content"]["application/json"]["example"]
    assert "CountResponse" in document["components"]["schemas"]
    status, _, page = server.call("GET", "/docs")  # the page draws what the document lists
    assert status == 200 and b"openapi.json" in page
    server.stop()
