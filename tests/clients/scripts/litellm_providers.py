"""litellm as a client of six kinds of servers."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from common import DOCUMENTS, QUERY, TEXTS, URL, ask, close, ranking, vectors

litellm.suppress_debug_info = True
V1 = f"{URL}/v1"


def embed(provider, address, **more):
    """Vectors of the texts."""
    found = litellm.embedding(
        model=f"{provider}/encoder", input=TEXTS, api_base=address, api_key="none", **more
    )
    return [entry["embedding"] for entry in found.data]


for provider, address in (
    ("openai", V1),
    ("hosted_vllm", V1),
    ("hosted_vllm", URL),
    ("infinity", URL),
    ("infinity", V1),
    ("jina_ai", V1),
    ("cohere", f"{URL}/v2/embed"),
    ("cohere", f"{URL}/v1/embed"),
):
    close(embed(provider, address), vectors())
close(embed("openai", V1, user="ada"), vectors())
close(embed("hosted_vllm", V1, dimensions=4), vectors(dimensions=4))
close(embed("cohere", f"{URL}/v2/embed", dimensions=4), vectors(dimensions=4))
close(embed("infinity", URL, modality="text"), vectors())
for task in ("feature-extraction", "embed"):
    close(embed("huggingface", f"{URL}/?model=encoder", input_type=task), vectors())
scores = litellm.embedding(
    model="huggingface/encoder", input=[QUERY, *TEXTS], api_base=f"{URL}/?model=encoder",
    api_key="none", input_type="sentence-similarity",
)  # fmt: skip
close(
    [entry["embedding"] for entry in scores.data],
    ask("/similarity", {"inputs": {"source_sentence": QUERY, "sentences": TEXTS}}),
)
for provider, address in (
    ("hosted_vllm", URL),
    ("hosted_vllm", V1),
    ("infinity", URL),
    ("infinity", V1),
    ("jina_ai", V1),
    ("cohere", URL),
    ("huggingface", URL),
):
    for more in ({}, {"return_documents": False, "top_n": 2}):
        found = litellm.rerank(
            model=f"{provider}/encoder", query=QUERY, documents=DOCUMENTS, api_base=address,
            api_key="none", **more,
        )  # fmt: skip
        pairs = [(r["index"], r["relevance_score"]) for r in found.results]
        close(pairs[: more.get("top_n")], ranking()[: more.get("top_n")])
