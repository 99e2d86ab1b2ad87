"""infinity's client, with what it sends by default."""

from common import DOCUMENTS, QUERY, TEXTS, URL, ask, close, ranking, vectors
from infinity_client import Client
from infinity_client.api.default import classify, embeddings, models, rerank
from infinity_client.models import (
    ClassifyInput,
    EmbeddingEncodingFormat,
    OpenAIEmbeddingInputText,
    RerankInput,
)

for address in (URL, f"{URL}/v1"):
    with Client(base_url=address, raise_on_unexpected_status=True) as client:
        found = embeddings.sync(client=client, body=OpenAIEmbeddingInputText(input_=TEXTS))
        close([entry.embedding for entry in found.data], vectors())
        body = RerankInput(query=QUERY, documents=DOCUMENTS, return_documents=True, top_n=2)
        answer = rerank.sync(client=client, body=body)
        close([(r.index, r.relevance_score) for r in answer.results], ranking()[:2])
        assert [r.document for r in answer.results] == [DOCUMENTS[r.index] for r in answer.results]
with Client(base_url=URL, raise_on_unexpected_status=True) as client:
    text = OpenAIEmbeddingInputText(
        input_=TEXTS[0], model="encoder", encoding_format=EmbeddingEncodingFormat.FLOAT
    )
    close(embeddings.sync(client=client, body=text).data[0].embedding, vectors()[0])
    listed = {model.id: model for model in models.sync(client=client).data}
    assert listed["encoder"].capabilities == ["embed", "rerank"]
    (classes,) = classify.sync(client=client, body=ClassifyInput(input_=[QUERY])).data
    expected = ask("/predict", {"inputs": QUERY})
    assert [(c.label, c.score) for c in classes] == [(e["label"], e["score"]) for e in expected]
    (raw,) = classify.sync(client=client, body=ClassifyInput(input_=[QUERY], raw_scores=True)).data
    expected = ask("/predict", {"inputs": QUERY, "raw_scores": True})
    assert [(c.label, c.score) for c in raw] == [(e["label"], e["score"]) for e in expected]
