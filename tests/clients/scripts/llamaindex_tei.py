"""llama-index's embedder and reranker for text-embeddings-inference."""

from common import DOCUMENTS, QUERY, TEXTS, URL, close, ranking, vectors
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.embeddings.text_embeddings_inference import TextEmbeddingsInference
from llama_index.postprocessor.tei_rerank import TextEmbeddingInference

embedder = TextEmbeddingsInference(model_name="encoder", base_url=URL)
close(embedder.get_text_embedding_batch(TEXTS), vectors())
close(embedder.get_query_embedding(TEXTS[0]), vectors()[0])
reranker = TextEmbeddingInference(base_url=URL, top_n=3)
nodes = [NodeWithScore(node=TextNode(text=text), score=0.0) for text in DOCUMENTS]
found = reranker.postprocess_nodes(nodes, QueryBundle(QUERY))
close([(DOCUMENTS.index(node.text), node.score) for node in found], ranking())
