"""`--post center`: the mean vector of many languages is taken away before scaling.

The vectors of a pretrained encoder share a large common part, which makes unlike texts alike;
without it nearest neighbours across languages are found more often (Haemmerl et al. 2023,
"Exploring Anisotropy and Outliers in Multilingual Language Models").
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.core.errors import DataError
from xlt.core.files import sha256_json
from xlt.core.inference.head import Dense
from xlt.data import DataRoot
from xlt.data.texts import allowed_text, text_sources

__all__ = ["Fitted", "fit_center", "fit_texts"]

TEXTS_PER_LANGUAGE = 200
FEWEST = 8  # texts of a language, below which it would be one odd voice
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """Texts that something is fitted on: train and dev text, never a test set.

    Attributes:
        texts: language -> its texts.
        sources: the kinds of files they come from.
    """

    texts: dict[str, tuple[str, ...]]
    sources: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """What a manifest says of them."""
        return {
            "languages": sorted(self.texts),
            "texts": sum(map(len, self.texts.values())),
            "sources": list(self.sources),
            "sha256": sha256_json({lang: list(texts) for lang, texts in self.texts.items()}),
        }


def fit_texts(root: DataRoot) -> Fitted:
    """Up to 200 distinct texts of each language, from what pretraining may read.

    Raises:
        DataError: the root has no such text.
    """
    found = {}
    for lang in sorted({source.lang for source in text_sources(root)}):
        texts = (text for code, text in allowed_text(root, [lang]) if code == lang and text.strip())
        kept = tuple(dict.fromkeys(itertools.islice(texts, TEXTS_PER_LANGUAGE)))
        if len(kept) >= FEWEST:
            found[lang] = kept
    if not found:
        raise DataError(
            f"{root.path} has no train or dev text to fit a mean on",
            "add text/<lang>.txt, or leave out --post center",
        )
    kinds = {source.kind for source in text_sources(root) if source.lang in found}
    return Fitted(texts=found, sources=tuple(sorted(kinds)))


def fit_center(fitted: Fitted, embed: Callable[[Sequence[str]], Vectors]) -> Dense:
    """A layer that takes the mean away; every language counts the same.

    Args:
        fitted: what to read.
        embed: texts to vectors (N, D) before scaling.
    """
    means = [embed(texts).astype(np.float64).mean(0) for texts in fitted.texts.values()]
    mean_D = np.mean(means, axis=0)
    return Dense(weight_OI=np.eye(len(mean_D), dtype=np.float32), bias_O=-mean_D.astype(np.float32))
