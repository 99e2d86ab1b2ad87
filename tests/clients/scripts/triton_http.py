"""tritonclient over HTTP: tensors, class counts, statistics, deflate, no shared memory."""

import numpy as np
import tritonclient.http as triton
from common import QUERY, TEXTS, URL, ask, close, vectors
from tritonclient.utils import InferenceServerException

client = triton.InferenceServerClient(url=URL.removeprefix("http://"))


def strings(name, values, *, binary=True):
    """A tensor of strings."""
    tensor = triton.InferInput(name, [len(values)], "BYTES")
    tensor.set_data_from_numpy(np.array(values, dtype=object), binary_data=binary)
    return tensor


assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("encoder")
assert client.get_model_metadata("encoder")["outputs"][0]["name"] == "embedding"
for binary in (True, False):
    for coding in (None, "gzip", "deflate"):
        answer = client.infer(
            "encoder",
            [strings("text", TEXTS, binary=binary)],
            outputs=[triton.InferRequestedOutput("embedding", binary_data=binary)],
            request_compression_algorithm=coding,
            response_compression_algorithm=coding,
        )
        close(answer.as_numpy("embedding").tolist(), vectors())
best = triton.InferRequestedOutput("scores", class_count=1)
((entry,),) = client.infer("xnli", [strings("text", [QUERY])], outputs=[best]).as_numpy("scores")
label = ask("/predict", {"inputs": QUERY})[0]["label"]
assert entry.decode().rpartition(":")[2] == label
assert len(client.get_inference_statistics()["model_stats"]) == 5
assert client.get_inference_statistics("xnli")["model_stats"][0]["inference_count"] > 0
shared = triton.InferRequestedOutput("embedding")
shared.set_shared_memory("region", 64)
try:
    client.infer("encoder", [strings("text", TEXTS)], outputs=[shared])
except InferenceServerException as error:
    assert "shared memory" in str(error)
else:
    raise AssertionError("an output went into shared memory")
