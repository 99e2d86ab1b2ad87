"""The torch module behind `xlt.sentence_module`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from xlt.core.encode.rows import Row, pad
from xlt.core.errors import ModelError
from xlt.core.inference.engine import Engine
from xlt.core.kinds.embed import SENTENCE
from xlt.core.kinds.table import kind_of
from xlt.core.retrieval.unit import unit_vector

__all__ = ["BundleModule"]


class BundleModule(nn.Module):
    """Texts to sentence vectors of length 1 with a bundle's engine; nothing of it is trained.

    It has what sentence-transformers asks of the first module: `preprocess` (`tokenize` up to 5),
    `forward`, `save` and `load`.

    Args:
        model: as `xlt.open`.
        precision: the variant.
        device: where ONNX Runtime computes, whatever the device of torch is.
        threads: CPU threads.

    Raises:
        ModelError: the bundle gives no sentence vectors.
    """

    def __init__(
        self,
        model: Path | str | None,
        *,
        precision: str = "fp32",
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        super().__init__()
        self.engine = Engine.open(model, precision=precision, device=device, threads=threads)
        if not kind_of(self.engine.task).vectors:
            raise ModelError(
                f"{self.engine.bundle.path}: a {self.engine.task.name} model gives no sentence "
                "vectors",
                "use the `encoder` bundle of the run",
            )

    @property
    def tokenizer(self) -> Any:
        """The tokenizer of the `tokenizers` library."""
        return self.engine.encoder.tokenizer

    @property
    def max_seq_length(self) -> int:
        """Tokens of one input, special tokens included."""
        return self.engine.encoder.max_length

    def preprocess(
        self, inputs: Sequence[str], prompt: str | None = None, **ignored: Any
    ) -> dict[str, Tensor]:
        """Token ids of texts, padded on the right.

        Args:
            inputs: texts.
            prompt: stands before each; None: the bundle's default.
            **ignored: of other modalities.
        """
        rows = self.engine.encode_rows(list(inputs), prompt=prompt)
        arrays = pad(rows, self.engine.encoder.pad_id)
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    tokenize = preprocess

    def forward(self, features: dict[str, Tensor], **ignored: Any) -> dict[str, Tensor]:
        """The features with `sentence_embedding` (B, D) beside them."""
        given = {name: features[name].cpu().numpy() for name in ("input_ids", "attention_mask")}
        types = features.get("token_type_ids")
        rows = []
        for index, mask_L in enumerate(given["attention_mask"] == 1):
            ids = given["input_ids"][index][mask_L].astype(np.int32)
            own = None if types is None else types[index].cpu().numpy()[mask_L].astype(np.int32)
            rows.append(Row(item=index, ids=ids, types=own))
        found = [unit_vector(output[SENTENCE]) for output in self.engine.run(rows)]
        features["sentence_embedding"] = torch.from_numpy(np.stack(found)).to(
            features["input_ids"].device
        )
        return features

    def get_embedding_dimension(self) -> int:
        """Numbers in a vector."""
        return int(self.engine.encode("a").shape[1])

    get_sentence_embedding_dimension = get_embedding_dimension

    def save(self, output_path: str, *arguments: Any, **settings: Any) -> None:
        """Put the bundle into a folder, which must be empty or absent."""
        shutil.copytree(self.engine.bundle.path, output_path, dirs_exist_ok=True)

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **settings: Any) -> BundleModule:
        """Open what `save` wrote."""
        return cls(Path(model_name_or_path) / subfolder)
