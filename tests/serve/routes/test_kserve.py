"""KServe v2 with the unchanged tritonclient, and by hand."""

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from xlt.core.tasks.examples import Pair, Question, Tagged

TEXTS = ["the cat", "der Hund schläft", "собака под столом ツ"]


@pytest.fixture
def client(server):
    found = triton.InferenceServerClient(url=f"127.0.0.1:{server.port}")
    yield found
    found.close()


def strings(name, values, *, binary=True, shape=None):
    array = np.array(values, dtype=object)
    tensor = triton.InferInput(name, shape or list(array.shape), "BYTES")
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor


def test_health_metadata_config_statistics_and_index(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("encoder")
    assert client.is_model_ready("encoder", "1")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata("encoder", "1")
    assert metadata["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    assert metadata["outputs"] == [{"name": "embedding", "datatype": "FP32", "shape": [-1, 16]}]
    assert client.get_model_config("xnli")["input"][0]["data_type"] == "TYPE_STRING"
    before = client.get_inference_statistics("xnli")["model_stats"][0]
    client.infer("xnli", [strings("text", ["a"])])
    after = client.get_inference_statistics("xnli")["model_stats"][0]
    assert after["inference_stats"]["success"]["count"] == (
        before["inference_stats"]["success"]["count"] + 1
    )
    assert {m["name"] for m in client.get_model_repository_index()} == {
        "xnli", "csqa", "panx", "xquad", "encoder",
    }  # fmt: skip


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_embeddings_in_and_out_binary_or_json(client, engines, binary_in, binary_out):
    outputs = [triton.InferRequestedOutput("embedding", binary_data=binary_out)]
    answer = client.infer(
        "encoder",
        [strings("text", TEXTS, binary=binary_in)],
        outputs=outputs,
        request_id="42",
        model_version="1",
    )
    assert answer.get_response()["id"] == "42"
    assert np.array_equal(answer.as_numpy("embedding"), engines["encoder"].embed(TEXTS))


def test_pairs_tags_choices_and_answers(client, engines):
    answer = client.infer("xnli", [strings("text", TEXTS), strings("text_pair", TEXTS[::-1])])
    pairs = [Pair(id="", text_a=a, text_b=b) for a, b in zip(TEXTS, TEXTS[::-1], strict=True)]
    expected = engines["xnli"].predict(pairs)
    assert [x.decode() for x in answer.as_numpy("label")] == [label.label for label in expected]
    scores = np.stack([label.probabilities for label in expected]).astype(np.float32)
    assert np.array_equal(answer.as_numpy("scores"), scores)

    words = [["the", "cat", "sat"], ["der", "Hund", ""]]
    answer = client.infer("panx", [strings("words", words)])
    tags = engines["panx"].predict(
        [Tagged(id="", words=("the", "cat", "sat")), Tagged(id="", words=("der", "Hund"))]
    )
    found = answer.as_numpy("tag")
    assert [x.decode() for x in found[0]] == list(tags[0].tags)
    assert [x.decode() for x in found[1]] == [*tags[1].tags, ""]
    one = client.infer("panx", [strings("words", ["der", "Hund"])])
    assert [x.decode() for x in one.as_numpy("tag")] == list(tags[1].tags)

    choices = [["sat", "slept"], ["ran", "x"]]
    answer = client.infer("csqa", [strings("prompt", TEXTS[:2]), strings("choices", choices)])
    assert answer.as_numpy("scores").shape == (2, 2)
    assert answer.as_numpy("choice").dtype == np.int64

    context = "ツ the cat slept"
    answer = client.infer("xquad", [strings("question", ["who"]), strings("context", [context])])
    (span,) = engines["xquad"].predict([Question(id="", question="who", context=context)])
    assert answer.as_numpy("answer")[0].decode() == span.text
    start, end = int(answer.as_numpy("start")[0]), int(answer.as_numpy("end")[0])
    assert context[start:end] == span.text


@pytest.mark.parametrize(
    ("model", "inputs", "message"),
    [
        ("nobody", [("text", ["a"], None)], "no model 'nobody'"),
        ("encoder", [("texts", ["a"], None)], "no input 'texts'"),
        ("encoder", [("text", ["a"], [2])], "1 values for the shape"),
        ("encoder", [("text", [""], None)], "empty"),
        ("xnli", [("text_pair", ["a"], None)], "missing"),
        ("xnli", [("text", ["a", "b"], None), ("text_pair", ["a"], None)], "different numbers"),
        ("csqa", [("prompt", ["a"], None), ("choices", [["b"]], None)], "a row of 2 to 64"),
        ("encoder", [("text", ["nanbomb"], None)], "NaN"),
    ],
)
def test_mistakes_are_exceptions_with_a_message(client, model, inputs, message):
    tensors = []
    for name, values, shape in inputs:
        tensor = strings(name, values, binary=False)
        if shape:
            tensor.set_shape(shape)
        tensors.append(tensor)
    with pytest.raises(InferenceServerException, match=message):
        client.infer(model, tensors)


def test_other_datatypes_and_unknown_outputs_are_refused(client):
    number = triton.InferInput("text", [1], "INT64")
    number.set_data_from_numpy(np.array([1]))
    with pytest.raises(InferenceServerException, match="BYTES is needed"):
        client.infer("encoder", [number])
    with pytest.raises(InferenceServerException, match="no output 'vector'"):
        client.infer(
            "encoder", [strings("text", ["a"])], outputs=[triton.InferRequestedOutput("vector")]
        )
    with pytest.raises(InferenceServerException, match="version"):
        client.infer("encoder", [strings("text", ["a"])], model_version="2")


def test_json_without_content_type_and_a_bare_body(server, engines):
    body = {"inputs": [{"name": "text", "shape": [2, 1], "datatype": "BYTES",
                        "data": [["the cat"], ["the dog"]]}]}  # fmt: skip
    answer = server.post("/v2/models/encoder/infer", body)
    assert answer["model_name"] == "encoder"
    assert "id" not in answer
    found = np.array(answer["outputs"][0]["data"], np.float32).reshape(2, 16)
    assert np.array_equal(found, engines["encoder"].embed(["the cat", "the dog"]))
    status, headers, raw = server.call(
        "POST", "/v2/models/encoder/infer", b"the cat",
        {"inference-header-content-length": "0"},
    )  # fmt: skip
    size = int(headers["inference-header-content-length"])
    assert (status, headers["content-type"]) == (200, "application/octet-stream")
    assert np.array_equal(np.frombuffer(raw[size:], "<f4"), found[0])


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"inference-header-content-length": "99"}, b"{}"),
        ({"inference-header-content-length": "-1"}, b"{}"),
        ({"inference-header-content-length": "²"}, b"{}"),
        ({"inference-header-content-length": "9" * 5000}, b"{}"),
        ({}, b"[" * 100_000),
        ({}, b'{"inputs": [{"name": "text", "shape": [-1], "datatype": "BYTES", "data": []}]}'),
        ({}, b'{"inputs": [{"name": "text", "shape": [1, 1, 1], "datatype": "BYTES"}]}'),
        ({}, b'{"inputs": [{"name": "text", "shape": [99999999], "datatype": "BYTES"}]}'),
        ({}, b'{"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES"}]}'),
        ({}, b'{"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data":'
             b'[[["a"]]]}]}'),
        ({}, b'{"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data":'
             b'["\xff"]}]}'),
        ({}, b'{"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES",'
             b'"parameters": {"binary_data_size": 4}}]}'),
    ],
)  # fmt: skip
def test_broken_requests_are_400_in_the_dialect(server, headers, body):
    status, _, answer = server.call("POST", "/v2/models/encoder/infer", body, headers)
    assert status == 400
    assert list(answer) == ["error"]
    assert isinstance(answer["error"], str)


def test_an_output_is_given_once_whatever_is_asked(server):
    text = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}
    body = {"inputs": [text], "outputs": [{"name": "embedding"}] * 20_000}
    rows = server.total("xlt_batch_rows_sum")
    status, _, answer = server.call("POST", "/v2/models/encoder/infer", body)
    assert (status, answer) == (400, {"error": "an output is asked for twice"})
    assert server.total("xlt_batch_rows_sum") == rows


@pytest.mark.parametrize(("count", "status"), [(1, 400), (2, 200), (64, 200), (65, 400)])
def test_choices_are_as_many_as_our_own_route_takes(server, count, status):
    prompt = {"name": "prompt", "shape": [1], "datatype": "BYTES", "data": ["a"]}
    choices = {"name": "choices", "shape": [1, count], "datatype": "BYTES", "data": ["b"] * count}
    body = {"inputs": [prompt, choices]}
    assert server.call("POST", "/v2/models/csqa/infer", body)[0] == status
    own = {"inputs": [{"prompt": "a", "choices": ["b"] * count}]}
    assert server.call("POST", "/v1/choose", own)[0] == status


@pytest.mark.parametrize(
    "tail", [b"\x05\x00\x00\x00abc", b"\x01\x00", b"\x01\x00\x00\x00\xff", b"\xff\xff\xff\xff"]
)
def test_broken_binary_strings_are_400(server, tail):
    head = b'{"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","parameters":'
    head += b'{"binary_data_size":%d}}]}' % len(tail)
    status, _, answer = server.call(
        "POST", "/v2/models/encoder/infer", head + tail,
        {"inference-header-content-length": str(len(head))},
    )  # fmt: skip
    assert status == 400
    assert "text" in answer["error"]


def test_statistics_of_all_models(client):
    found = {model["name"]: model for model in client.get_inference_statistics()["model_stats"]}
    assert set(found) == {"xnli", "csqa", "panx", "xquad", "encoder"}
    assert found["xnli"] == client.get_inference_statistics("xnli")["model_stats"][0]


def test_shared_memory_is_refused_for_inputs_and_outputs_and_nothing_is_computed(client, server):
    before = server.total("xlt_batch_rows_sum")
    shared_in = triton.InferInput("text", [1], "BYTES")
    shared_in.set_shared_memory("region", 8)
    shared_out = triton.InferRequestedOutput("embedding")
    shared_out.set_shared_memory("region", 64)
    for inputs, outputs in (([shared_in], None), ([strings("text", ["a"])], [shared_out])):
        with pytest.raises(InferenceServerException, match="shared memory") as caught:
            client.infer("encoder", inputs, outputs=outputs)
        assert caught.value.status() == "400"
    assert server.total("xlt_batch_rows_sum") == before


@pytest.mark.parametrize("binary", [True, False])
def test_class_count_gives_the_best_classes_of_each_row(client, engines, binary):
    wanted = triton.InferRequestedOutput("scores", binary_data=binary, class_count=2)
    answer = client.infer("xnli", [strings("text", TEXTS)], outputs=[wanted])
    found = answer.as_numpy("scores")
    assert found.shape == (3, 2)
    labels = engines["xnli"].task.labels
    for row, label in zip(found, engines["xnli"].predict(TEXTS), strict=True):
        order = np.argsort(-label.probabilities)[:2]
        for entry, index in zip(row, order, strict=True):
            text = entry.decode() if isinstance(entry, bytes) else entry
            assert text == f"{np.float32(label.probabilities[index]):f}:{index}:{labels[index]}"
    many = triton.InferRequestedOutput("scores", class_count=99)
    answer = client.infer("xnli", [strings("text", TEXTS)], outputs=[many])
    assert answer.as_numpy("scores").shape == (3, 3)
    vector = triton.InferRequestedOutput("embedding", class_count=1)
    (best,) = client.infer("encoder", [strings("text", ["a"])], outputs=[vector]).as_numpy(
        "embedding"
    )[0]
    embedded = engines["encoder"].embed(["a"])[0]
    assert best.decode() == f"{embedded.max():f}:{embedded.argmax()}"


@pytest.mark.parametrize("count", [-1, 1.5, True, "2"])
def test_a_class_count_that_is_none_is_refused(server, count):
    body = {
        "inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}],
        "outputs": [{"name": "scores", "parameters": {"classification": count}}],
    }
    status, _, answer = server.call("POST", "/v2/models/xnli/infer", body)
    assert status == 400 and "class_count" in answer["error"]
    body["outputs"] = [{"name": "label", "parameters": {"classification": 2}}]
    status, _, answer = server.call("POST", "/v2/models/xnli/infer", body)
    assert status == 400 and "no best classes" in answer["error"]
