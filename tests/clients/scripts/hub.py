"""huggingface_hub's InferenceClient, by address alone."""

from common import QUERY, TEXTS, URL, ask, close, vectors
from huggingface_hub import InferenceClient


def client(model):
    """A client of one model of the server."""
    return InferenceClient(model=f"{URL}/?model={model}", token="none")


encoder = client("encoder")
assert encoder.feature_extraction(TEXTS[0]).shape == (1, 16)
close(encoder.feature_extraction(TEXTS).tolist(), vectors())
raw = encoder.feature_extraction(TEXTS, normalize=False, truncate=True).tolist()
close(raw, ask("/embed", {"inputs": TEXTS, "normalize": False}))
short = encoder.feature_extraction(TEXTS, dimensions=4, truncation_direction="left").tolist()
close(short, vectors(dimensions=4))
scores = InferenceClient(model=URL, token="none").sentence_similarity(QUERY, TEXTS)
close(scores, ask("/similarity", {"inputs": {"source_sentence": QUERY, "sentences": TEXTS}}))
expected = ask("/predict", {"inputs": QUERY})
found = client("xnli").text_classification(QUERY)
assert [(f.label, f.score) for f in found] == [(e["label"], e["score"]) for e in expected]
assert len(client("xnli").text_classification(QUERY, top_k=2)) == 2
tagged = ask("/v1/tag", {"inputs": [TEXTS[1]]})["data"][0]
for strategy in (None, "simple", "first"):
    groups = client("panx").token_classification(TEXTS[1], aggregation_strategy=strategy)
    assert [(g.entity_group, g.word, g.start) for g in groups] == [
        (e["type"], e["text"], e["start"]) for e in tagged["entities"]
    ]
words = client("panx").token_classification(TEXTS[1], aggregation_strategy="none", ignore_labels=[])
assert [(w.entity, w.word) for w in words] == [(w["tag"], w["word"]) for w in tagged["words"]]
asked = {"question": "who slept?", "context": "the cat slept on the mat"}
best = ask("/v1/answer", {"inputs": [asked]})["data"][0]["answers"][0]
answer = InferenceClient(model=URL, token="none").question_answering(**asked)
assert (answer.answer, answer.start, answer.end) == (best["text"], best["start"], best["end"])
assert len(InferenceClient(model=URL, token="none").question_answering(**asked, top_k=3)) == 3
