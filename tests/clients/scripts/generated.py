"""Call every route through the client that openapi-python-client made; it lies in ./xlt_client."""

import importlib
import inspect
import json
import re
import sys
import typing

sys.path.insert(0, ".")
client_module = importlib.import_module("xlt_client")
URL, DOCUMENT = sys.argv[1].rstrip("/"), sys.argv[2]
VALUES = {"model": "encoder", "version": "1"}


def models_of(annotation):
    """The classes of a body: one, or those of a union."""
    return [annotation] if inspect.isclass(annotation) else list(typing.get_args(annotation))


def body_of(annotation, example):
    """The example as the first class that gives it back as it is."""
    for model in models_of(annotation):
        try:
            body = model.from_dict(example)
        except Exception:  # a class of the union that has other fields
            continue
        if example.items() <= body.to_dict().items():
            return body
    raise AssertionError(f"no class of {annotation} takes {example}")


def call(operation, path, body):
    """Call one route; what was parsed has to say what came."""
    tag = re.sub(r"(?<=[a-z])(?=[A-Z0-9])|[ -]", "_", operation["tags"][0]).lower()
    tag = {"kserve_v_2": "k_serve_v_2", "kserve_v2": "k_serve_v_2"}.get(tag, tag)
    module = importlib.import_module(f"xlt_client.api.{tag}.{operation['operationId']}")
    hints = typing.get_type_hints(module.sync_detailed)
    more = {}
    for name in re.findall(r"{(\w+)}", path):
        more[name] = hints[name](VALUES[name])
    if body is not None:
        more["body"] = body_of(hints["body"], body)
    with client_module.Client(base_url=URL, raise_on_unexpected_status=True) as client:
        answer = module.sync_detailed(client=client, **more)
    assert answer.status_code == 200, (path, answer)
    content = operation["responses"]["200"]["content"]
    if "schema" not in content.get("application/json", {}):
        return
    assert answer.parsed is not None, path
    if hasattr(answer.parsed, "to_dict"):
        found = answer.parsed.to_dict()
        assert found.items() >= json.loads(answer.content).items(), path


with open(DOCUMENT, encoding="utf-8") as file:
    document = json.load(file)
for path, methods in document["paths"].items():
    for operation in methods.values():
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        call(operation, path, content.get("example"))
