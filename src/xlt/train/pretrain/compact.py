"""`--model compact`: a small multilingual encoder and its tokenizer, made from the data root.

The tokenizer is a byte-pair encoding over whole words, learnt only from text that training
may read. The encoder is a BERT, because it has token types: three layers are too few to find out
from word order alone which of two texts a word stands in. Both are plain Hugging Face folders.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import AutoModelForMaskedLM, BertConfig

from xlt.core.errors import DataError
from xlt.core.files import sha256_bytes, write_json
from xlt.data import DataRoot, allowed_text, text_sources

__all__ = ["Corpus", "Size", "new_model", "read_corpus", "train_tokenizer", "vocabulary_size"]

T = TypeVar("T", str, tuple[str, str])
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
MAX_CHARACTERS = 3_000_000  # per language; what such a small encoder can take in
VOCABULARY_PER_WORD, SMALLEST_VOCABULARY, LARGEST_VOCABULARY = 1.4, 500, 12_000
ALPHABET_SHARE = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Shape of the compact encoder."""

    width: int = 128
    layers: int = 3
    heads: int = 4
    feed_forward: int = 256
    positions: int = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Text by language, in the root's order, and translation pairs (English, other)."""

    texts: dict[str, tuple[str, ...]]
    pairs: dict[str, tuple[tuple[str, str], ...]]
    notes: tuple[str, ...] = ()

    def fingerprints(self) -> list[dict[str, Any]]:
        """One record a language and collection, in the form of run.json's `lineage.data`."""
        entries = [("text", lang, texts) for lang, texts in self.texts.items()]
        pairs = [
            ("parallel", lang, ["\t".join(pair) for pair in pairs])
            for lang, pairs in self.pairs.items()
        ]
        return [
            {
                "task": name,
                "lang": lang,
                "split": "train",
                "n": len(texts),
                "sha256": sha256_bytes("\n".join(texts).encode()),
                "paths": [],
            }
            for name, lang, texts in [*entries, *pairs]
        ]


def read_corpus(root: DataRoot, *, parallel: bool) -> Corpus:
    """Collect the text that tokenizers and pretraining may read.

    Raises:
        DataError: no text at all, or translation pairs are wanted and there are none.
    """
    own = root.text_langs()
    texts = {lang: list(_up_to(root.text(lang))) for lang in own}
    others = [lang for lang in root.languages if lang not in own]
    room: Counter[str] = Counter()
    for lang, text in allowed_text(root, others):
        if lang not in own and text.strip() and room[lang] < MAX_CHARACTERS:
            room[lang] += len(text)
            texts.setdefault(lang, []).append(text)
    if not texts:
        raise DataError(
            f"{root.path} has no text to make a tokenizer and an encoder from",
            "put text into text/<lang>.txt, or add dev files or English train files",
        )
    pairs = {}
    for lang in root.parallel_langs() if parallel else ():
        pairs[lang] = tuple(_up_to(root.parallel(lang)))
    if parallel and not any(pairs.values()):
        raise DataError(
            f"{root.path} has no parallel text (parallel/en-<lang>.tsv)",
            "leave tlm out of --pretrain",
        )
    read = [str(source) for source in text_sources(root, others)]
    notes = []
    if not own:
        notes.append("the root has no text/: unlabelled dev and English train text is read")
    if read:
        notes.append("also read: " + " ".join(read))
    return Corpus(
        texts={lang: tuple(lines) for lang, lines in texts.items()},
        pairs=pairs,
        notes=tuple(notes),
    )


def _up_to(items: Iterable[T]) -> Iterator[T]:
    """Texts or pairs until there are MAX_CHARACTERS of them."""
    seen = 0
    for item in items:
        seen += len(item) if isinstance(item, str) else sum(map(len, item))
        if seen > MAX_CHARACTERS:
            return
        yield item


def vocabulary_size(texts: Iterable[str]) -> int:
    """A default that has room for every word seen twice and the pieces it is merged from."""
    words = Counter(word for text in texts for word in text.split())
    repeated = sum(count > 1 for count in words.values())
    wanted = round(VOCABULARY_PER_WORD * repeated / 500) * 500
    return min(max(wanted, SMALLEST_VOCABULARY), LARGEST_VOCABULARY)


def train_tokenizer(texts: Sequence[str], size: int, folder: Path, positions: int) -> Tokenizer:
    """Learn a BPE tokenizer and write its files; the same text gives the same bytes.

    The alphabet is chosen here, by frequency, then code point: the library breaks ties at its
    limit in an order that differs from process to process.
    """
    normalizer = normalizers.NFKC()
    characters = Counter(
        character for text in texts for character in normalizer.normalize_str(text)
    )
    ranked = sorted(characters, key=lambda c: (-characters[c], c))
    alphabet = ["▁", *(c for c in ranked if not c.isspace() and c != "▁")]
    alphabet = alphabet[: max(1, int(size * ALPHABET_SHARE))]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(prepend_scheme="always"), pre_tokenizers.Punctuation("isolated")]
    )
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL),
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        min_frequency=2,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s>:0 $A:0 </s>:0 </s>:1 $B:1 </s>:1",
        special_tokens=[("<s>", SPECIAL.index("<s>")), ("</s>", SPECIAL.index("</s>"))],
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {
        "bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>",
        "pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>",
    }  # fmt: skip
    settings = {
        **names,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": positions,
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
    }
    write_json(folder / "tokenizer_config.json", settings)
    write_json(folder / "special_tokens_map.json", names)
    return tokenizer


def new_model(vocabulary: int, size: Size, seed: int, *, aligned: bool) -> Any:
    """The encoder with a masked-LM head on tied embeddings, newly drawn; no dropout."""
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=size.width,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        intermediate_size=size.feed_forward,
        max_position_embeddings=size.positions,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.05,
        layer_norm_eps=1e-5,
        type_vocab_size=2,
        pad_token_id=SPECIAL.index("<pad>"),
        xlt_compact=True,
        xlt_aligned=aligned,
    )
    torch.manual_seed(seed)
    return AutoModelForMaskedLM.from_config(config).float()
