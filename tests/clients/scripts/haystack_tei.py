"""haystack's embedders and ranker for text-embeddings-inference; normalize is false by default."""

from common import DOCUMENTS, QUERY, TEXTS, URL, ask, close, ranking, vectors
from haystack.dataclasses import Document
from haystack_integrations.components.embedders.huggingface_api import (
    HuggingFaceAPIDocumentEmbedder,
    HuggingFaceAPITextEmbedder,
)
from haystack_integrations.components.rankers.huggingface_api import HuggingFaceTEIRanker

api = {"api_type": "text_embeddings_inference", "api_params": {"url": f"{URL}/?model=encoder"}}
raw = ask("/embed", {"inputs": TEXTS, "normalize": False})
close(HuggingFaceAPITextEmbedder(**api).run(TEXTS[0])["embedding"], raw[0])
unit = HuggingFaceAPITextEmbedder(**api, normalize=True)
close(unit.run(TEXTS[0])["embedding"], vectors()[0])
documents = [Document(content=text) for text in TEXTS]
found = HuggingFaceAPIDocumentEmbedder(**api, progress_bar=False).run(documents)["documents"]
close([document.embedding for document in found], raw)
ranker = HuggingFaceTEIRanker(url=URL, top_k=3, max_retries=0)
for raw_scores in (False, True):
    ranker.raw_scores = raw_scores
    found = ranker.run(query=QUERY, documents=[Document(content=text) for text in DOCUMENTS])
    close([(DOCUMENTS.index(d.content), d.score) for d in found["documents"]], ranking())
