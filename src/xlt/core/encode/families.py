"""One row a model family: what its configuration and its modules are called, and its limits.

A family is what `model_type` of config.json names. Encoding, training and export read the row,
so that a new family is added here alone. A family without a row follows the general rules: the
names below, and a search for its blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["FAMILIES", "Family", "family_of"]

# hidden_states[K] that XTREME takes: XLM-R Large 14 of 24, mBERT 8 of 12 (its indices 13 and 7
# count blocks from 0).
XTREME_LAYERS = {24: 14, 12: 8}


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A model family. Paths of modules start at the encoder (`AutoModel`).

    Attributes:
        positions: key of config.json: most positions.
        positions_after_pad: positions count from the padding id on, so that the first
            `pad_token_id + 1` of them are never used (514 positions hold 512 tokens).
        token_types: whether the model takes token types at all; whether it tells texts apart by
            them is said by its tokenizer and `type_vocab_size`.
        depth: keys of config.json that may hold the number of blocks, in order.
        width: keys of config.json that may hold the width of hidden states, in order.
        per_block: keys of config.json that hold a list with an entry a block.
        dropout: keys of config.json that hold the dropout of hidden states.
        embeddings: the token embeddings, as a part of parameter names.
        blocks: the list of blocks; None: found by its length.
        final_norm: the norm after the last block, which belongs to no earlier hidden state; it
            may be absent from a model of the family.
        pooler: a module that checkpoints may lack.
        runs_without_blocks: whether the embeddings alone can be run (layer 0).
        mlm_head: modules of the masked-LM model that turn hidden states into logits, in order.
        retrieval_layer: depth -> default block of sentence encoders; otherwise the last.
    """

    positions: str = "max_position_embeddings"
    positions_after_pad: bool = False
    token_types: bool = True
    depth: tuple[str, ...] = ("num_hidden_layers", "n_layers", "num_layers")
    width: tuple[str, ...] = ("hidden_size", "dim", "d_model", "emb_dim")
    per_block: tuple[str, ...] = ()
    dropout: tuple[str, ...] = ("hidden_dropout_prob",)
    embeddings: str = "embeddings.word_embeddings"
    blocks: str | None = "encoder.layer"
    final_norm: str | None = None
    pooler: str = "pooler"
    runs_without_blocks: bool = True
    mlm_head: tuple[str, ...] = ("lm_head",)
    retrieval_layer: Mapping[int, int] = field(default_factory=lambda: XTREME_LAYERS)

    def most_positions(self, config: Mapping[str, Any]) -> int | None:
        """Tokens that the position embeddings of a model hold; None when config.json says none."""
        positions = config.get(self.positions)
        if not isinstance(positions, int) or positions <= 0:
            return None
        if self.positions_after_pad:
            pad_id = config.get("pad_token_id")
            positions -= (1 if pad_id is None else int(pad_id)) + 1
        return positions


ROBERTA = Family(positions_after_pad=True)
FAMILIES: dict[str, Family] = {
    "bert": Family(mlm_head=("cls",)),
    "camembert": ROBERTA,
    "data2vec-text": ROBERTA,
    "deberta": Family(runs_without_blocks=False, mlm_head=("cls",)),
    "deberta-v2": Family(runs_without_blocks=False, mlm_head=("cls",)),
    "distilbert": Family(
        token_types=False,
        depth=("n_layers",),
        width=("dim",),
        dropout=("dropout",),
        blocks="transformer.layer",
        mlm_head=("vocab_transform", "activation", "vocab_layer_norm", "vocab_projector"),
    ),
    "ibert": ROBERTA,
    "lilt": ROBERTA,
    "longformer": ROBERTA,
    "luke": ROBERTA,
    "mluke": ROBERTA,
    "modernbert": Family(
        token_types=False,
        per_block=("layer_types",),
        dropout=("embedding_dropout", "mlp_dropout", "classifier_dropout"),
        embeddings="embeddings.tok_embeddings",
        blocks="layers",
        final_norm="final_norm",
        mlm_head=("head", "decoder"),
    ),
    "mpnet": Family(positions_after_pad=True, token_types=False),
    "roberta": ROBERTA,
    "roberta-prelayernorm": Family(positions_after_pad=True, final_norm="LayerNorm"),
    "xlm-roberta": ROBERTA,
    "xlm-roberta-xl": Family(positions_after_pad=True, final_norm="encoder.LayerNorm"),
    "xmod": Family(positions_after_pad=True, final_norm="encoder.LayerNorm"),
}
GENERAL = Family(per_block=("layer_types",), blocks=None)


def family_of(model_type: str | None) -> Family:
    """The row of a model, by `model_type` of its config.json; the general rules without one."""
    return FAMILIES.get(model_type or "", GENERAL)
