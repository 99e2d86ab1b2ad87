"""A bundle as an encoder of mteb's protocol, so that mteb's tasks run on our engine.

Written against the protocol of mteb 1.39 and 2.26, by shape alone: mteb is never imported. What
mteb calls Tatoeba or BUCC are sets and scores of its own; none of them enters our results.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlt.core.artifacts.bundle import Bundle
from xlt.core.errors import DataError, UsageError, did_you_mean
from xlt.core.inference.engine import Engine
from xlt.core.retrieval.unit import unit_rows
from xlt.evalsuite.embedder import open_embedder, prompts_of

__all__ = ["BundleEncoder", "PromptUse"]

Array = NDArray[Any]
# names under which models keep their prompts, by mteb's prompt types
SIDES = {"query": ("query",), "document": ("document", "passage", "corpus")}
MODEL_META = ("mteb.models.model_meta", "mteb.model_meta", "mteb")  # in 2, in 1
FULL = ("float32", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptUse:
    """Which prompt was put before the texts of a task; `name` is None for none."""

    task: str
    prompt_type: str | None
    name: str | None
    prompt: str


class BundleEncoder:
    """Encodes texts for mteb with a bundle's engine.

    `mteb.evaluate(BundleEncoder("xlt-run"), tasks)` with mteb 2, `MTEB(tasks).run(...)` with 1.

    Args:
        model: a bundle that gives sentence vectors, an open engine on one, a folder of bundles or
            a run; None: ./xlt-run.
        prompts: more prompts, by name, or others than the bundle's.
        default_prompt: name of the prompt where a task asks for none (E5's models read texts of
            symmetric tasks as queries); None: the bundle's own default.
        precision: fp32, fp16, int8 or int8-vnni.
        device: auto, cpu, cuda or cuda:N.
        threads: CPU threads.
        batch_tokens: padded tokens a batch; mteb's `batch_size` counts texts and is not used.

    Raises:
        ModelError: no bundle, or none that gives sentence vectors.
        UsageError: several bundles do, or `default_prompt` is unknown.
    """

    def __init__(
        self,
        model: Path | str | Bundle | Engine | None = None,
        *,
        prompts: Mapping[str, str] | None = None,
        default_prompt: str | None = None,
        precision: str = "fp32",
        device: str = "auto",
        threads: int | None = None,
        batch_tokens: int | None = None,
    ) -> None:
        if isinstance(model, Engine):
            self.engine = model
        else:
            self.engine = open_embedder(
                model,
                precision=precision,
                device=device,
                threads=threads,
                batch_tokens=batch_tokens,
            )
        self.prompts = {**prompts_of(self.engine.bundle), **(prompts or {})}
        if default_prompt is not None and default_prompt not in self.prompts:
            raise UsageError(
                f"default_prompt {default_prompt!r}{did_you_mean(default_prompt, self.prompts)}",
                f"the prompts are: {', '.join(self.prompts) or 'none'}",
            )
        own = self.engine.bundle.manifest.get("default_prompt_name")
        self.default_prompt = own if default_prompt is None else default_prompt
        self.uses: list[PromptUse] = []

    def encode(
        self,
        inputs: Iterable[Any] | None = None,
        *,
        sentences: Iterable[Any] | None = None,
        task_metadata: Any = None,
        task_name: str | None = None,
        hf_split: str | None = None,
        hf_subset: str | None = None,
        prompt_type: Any = None,
        batch_size: int | None = None,
        precision: str | None = None,
        **ignored: Any,
    ) -> NDArray[np.float32]:
        """Vectors of length 1, in the order of the texts.

        Args:
            inputs: texts, or batches that are mappings with `text` (mteb 2).
            sentences: mteb 1's name for `inputs`.
            task_metadata: mteb 2: has `name` and `type`; they pick the prompt.
            task_name: mteb 1: the same, without a type.
            hf_split: no vector depends on it.
            hf_subset: no vector depends on it.
            prompt_type: query or document.
            batch_size: not used; see `batch_tokens`.
            precision: of the vectors; float32 alone.
            **ignored: show_progress_bar and the like.

        Returns:
            float32 (N, D).

        Raises:
            DataError: a batch without text (images, audio), or a text that is none.
            UsageError: another precision of the vectors is asked for.
        """
        if precision not in FULL:
            raise UsageError(
                f"precision {precision!r} of the vectors", "use float32, or an int8 bundle"
            )
        given = inputs if inputs is not None else sentences
        name = task_name or getattr(task_metadata, "name", None) or ""
        use = self._choose(name, getattr(task_metadata, "type", None), prompt_type)
        if use not in self.uses:
            self.uses.append(use)
        texts = [use.prompt + text for text in _texts(given or ())]
        return self.engine.embed(texts, prompt="")

    def similarity(self, embeddings1: Array, embeddings2: Array) -> Any:
        """Cosine of each of the first with each of the second, (N, M)."""
        x_ND, y_MD = _rows(embeddings1), _rows(embeddings2)
        return _like(x_ND @ y_MD.T)

    def similarity_pairwise(self, embeddings1: Array, embeddings2: Array) -> Any:
        """Cosine of each of the first with the one beside it, (N,)."""
        x_ND, y_ND = _rows(embeddings1), _rows(embeddings2)
        return _like(np.einsum("nd,nd->n", x_ND, y_ND))

    @property
    def mteb_model_meta(self) -> Any:
        """Metadata: an object of mteb's own class where mteb is loaded, else one of that shape.

        The revision is the bundle's key, so that mteb keeps results of changed models apart.
        """
        bundle = self.engine.bundle
        known = {
            "name": f"xlt/{bundle.name.replace('/', '-')}",
            "revision": bundle.key[:40],
            "max_tokens": bundle.max_length,
            "similarity_fn_name": "cosine",
            "use_instructions": bool(self.prompts),
        }
        made = next(
            (
                sys.modules[name].ModelMeta
                for name in MODEL_META
                if hasattr(sys.modules.get(name), "ModelMeta")
            ),
            None,
        )
        if made is None:
            return SimpleNamespace(**known)
        fields = made.model_fields
        values: dict[str, Any] = {name: None for name in fields if fields[name].is_required()}
        values |= {"framework": []} if "framework" in fields else {}
        return made(**{**values, **{name: known[name] for name in known if name in fields}})

    @property
    def record(self) -> dict[str, Any]:
        """What was run: the bundle, and the prompt of every task, for the record."""
        return {
            "bundle": self.engine.bundle.name,
            "key": self.engine.bundle.key,
            "precision": self.engine.bundle.precision,
            "prompts": [asdict(use) for use in self.uses],
        }

    def _choose(self, task: str, kind: Any, prompt_type: Any) -> PromptUse:
        """By mteb's order: task and side, task, type and side, type, side; then the default."""
        side = None if prompt_type is None else str(getattr(prompt_type, "value", prompt_type))
        sides = SIDES.get(side, (side,)) if side else ()
        names = [
            name
            for of in (task, kind)
            if of
            for name in (*(f"{of}-{called}" for called in sides), str(of))
        ]
        names += [*sides, *([self.default_prompt] if self.default_prompt and not side else [])]
        name = next((name for name in names if name in self.prompts), None)
        prompt = "" if name is None else self.prompts[name]
        return PromptUse(task=task, prompt_type=side, name=name, prompt=prompt)


def _texts(inputs: Iterable[Any]) -> Iterator[str]:
    """The texts of lists of texts and of batches."""
    for piece in [inputs] if isinstance(inputs, str | Mapping) else inputs:
        if isinstance(piece, str):
            yield piece
        elif isinstance(piece, Mapping) and "text" in piece:
            text = piece["text"]
            yield from [text] if isinstance(text, str) else text
        else:
            told = (
                ", ".join(map(str, piece)) if isinstance(piece, Mapping) else type(piece).__name__
            )
            raise DataError(f"a batch without text ({told})", "choose tasks on text")


def _rows(embeddings: Any) -> NDArray[np.float32]:
    """Unit rows (N, D) of an array or a tensor; one vector alone is one row."""
    rows_ND = np.atleast_2d(np.asarray(embeddings, dtype=np.float32))
    return unit_rows(rows_ND)


def _like(found: Array) -> Any:
    """A tensor where torch is loaded, as it is where mteb runs and asks for one; else the array."""
    torch = sys.modules.get("torch")
    return found if torch is None else torch.from_numpy(np.ascontiguousarray(found))
