"""Cohere's client, v1 and v2."""

import cohere
from common import DOCUMENTS, QUERY, TEXTS, URL, close, ranking, vectors

v1 = cohere.Client("none", base_url=URL)
v2 = cohere.ClientV2("none", base_url=URL)
embedded = v1.embed(texts=TEXTS, model="encoder", input_type="search_document", truncate="END")
assert embedded.response_type == "embeddings_floats"
close(embedded.embeddings, vectors())
typed = v1.embed(texts=TEXTS, model="encoder", embedding_types=["float"])
close(typed.embeddings.float_, vectors())
many = v1.embed(texts=TEXTS * 60, model="encoder", input_type="search_query")  # several requests
close(many.embeddings, vectors() * 60)
embedded = v2.embed(
    texts=TEXTS, model="encoder", input_type="search_query", embedding_types=["float", "base64"]
)
close(embedded.embeddings.float_, vectors())
assert len(embedded.embeddings.base64) == 2 and embedded.meta.billed_units.input_tokens > 0
short = v2.embed(
    inputs=[{"content": [{"type": "text", "text": text}]} for text in TEXTS],
    model="encoder", input_type="clustering", output_dimension=4, embedding_types=["float"],
)  # fmt: skip
close(short.embeddings.float_, vectors(dimensions=4))
for client in (v1, v2):
    found = client.rerank(model="encoder", query=QUERY, documents=DOCUMENTS, top_n=2)
    close([(r.index, r.relevance_score) for r in found.results], ranking()[:2])
objects = [{"text": text} for text in DOCUMENTS]
for documents in (DOCUMENTS, objects):
    found = v1.rerank(model="encoder", query=QUERY, documents=documents, return_documents=True)
    assert found.results[0].document.text == DOCUMENTS[found.results[0].index]
try:
    v2.rerank(model="nobody", query=QUERY, documents=DOCUMENTS)
except cohere.NotFoundError as error:
    assert "nobody" in error.body["message"]
else:
    raise AssertionError("an unknown model was found")
try:
    v2.embed(texts=TEXTS, model="encoder", input_type="search_query", embedding_types=["int8"])
except cohere.BadRequestError as error:
    assert "int8" in error.body["message"]
else:
    raise AssertionError("int8 vectors were given")
