"""Kind `mlm`: masked and translation language modelling; trains encoders, answers nothing."""

from __future__ import annotations

from xlt.core.kinds.base import Kind, ProbeText
from xlt.core.kinds.items import encode_texts
from xlt.core.tasks.examples import Sentence

__all__ = ["MLM"]


def _probe(texts: ProbeText) -> Sentence:
    return Sentence(id=texts.id, text=texts.text)


MLM = Kind(
    name="mlm",
    record=Sentence,
    auto_model="AutoModelForMaskedLM",
    untrained="is part of --pretrain",
    encode=encode_texts,
    probe=_probe,
)
