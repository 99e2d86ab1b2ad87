"""What all scripts share: the server's address, and what its own routes answer."""

import json
import sys
import urllib.request

URL = sys.argv[1].rstrip("/")
TEXTS = ["the cat", "der Hund schläft ツ"]
DOCUMENTS = ["a dog", "the cat", "a dog on the mat"]
QUERY = "the cat"


def ask(path, body):
    """The answer of a route, asked without any client."""
    request = urllib.request.Request(
        URL + path, json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)


def vectors(texts=TEXTS, **more):
    """Embeddings of texts, as the server's own route gives them."""
    body = {"model": "encoder", "input": texts, "encoding_format": "float", **more}
    return [entry["embedding"] for entry in ask("/v1/embeddings", body)["data"]]


def ranking():
    """Places and scores of the documents, best first."""
    body = {"model": "encoder", "query": QUERY, "documents": DOCUMENTS}
    return [(r["index"], r["relevance_score"]) for r in ask("/v1/rerank", body)["results"]]


def close(found, expected, bound=1e-6):
    """Whether lists of numbers are nearly equal; fails with where they differ."""
    if isinstance(expected, list | tuple):
        found = list(found)
        assert len(found) == len(expected), (len(found), len(expected))
        for a, b in zip(found, expected, strict=True):
            close(a, b, bound)
    else:
        assert abs(float(found) - float(expected)) <= bound, (found, expected)
