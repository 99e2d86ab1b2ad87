"""How an embedder is to read its inputs: the prompt before a text, the cut, ids for texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from xlt.core.encode.encoder import Encoder, Row
from xlt.core.kinds.table import encode
from xlt.serve.compute.served import Served
from xlt.serve.errors import Problem
from xlt.serve.request.ids import check_ids, inputs_of, rows_of_ids

__all__ = ["Inputs", "Reading", "prompt_of", "side_of"]

SIDES = {"END": "right", "START": "left", "NONE": "error"}  # Cohere's words
PROMPTS = {  # input types of several vendors -> names under which models keep their prompts
    "query": ("query", "search_query"),
    "search_query": ("search_query", "query"),
    "document": ("document", "passage", "search_document", "corpus"),
    "passage": ("passage", "document", "search_document", "corpus"),
    "search_document": ("search_document", "document", "passage", "corpus"),
    "classification": ("classification",),
    "clustering": ("clustering",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What `Call.compute` takes: the items, and what makes their rows."""

    items: Sequence[Any]
    encode: Callable[[], Sequence[Row]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How a request wants its inputs read.

    Attributes:
        truncate: "right", "left", "error", or None for the side the model was trained with.
        most_tokens: cut to so many tokens, special ones included; None or -1 for the model's.
        prompt: put before every text; None for the model's default.
    """

    truncate: str | None = None
    most_tokens: int | None = None
    prompt: str | None = None

    def inputs(self, value: str | list[Any], model: Served, param: str) -> Inputs:
        """A text, texts, token ids or lists of them.

        Raises:
            Problem: 400 for what is none of these, unknown ids, or a cut that leaves nothing.
        """
        texts, ids = inputs_of(value)
        if ids is None:
            return self.texts(texts, model)
        if self.prompt:
            raise Problem(
                400, "invalid_field", "a prompt stands before texts, not before token ids", param
            )
        check_ids(ids, model, param)
        return Inputs(items=ids, encode=rows_of_ids(self.encoder(model), ids))

    def texts(self, texts: Sequence[str], model: Served) -> Inputs:
        """Texts.

        Raises:
            Problem: 400 when the cut leaves no room for text.
        """
        encoder = self.encoder(model)
        whole: Sequence[str] = texts
        if self.prompt is not None:
            whole = [self.prompt + text for text in texts]
            encoder = replace(encoder, prompt="")
        return Inputs(items=whole, encode=lambda: encode(encoder, model.kind, whole))

    def encoder(self, model: Served) -> Encoder:
        """The model's encoder that cuts as it is asked to.

        Raises:
            Problem: 400 when the cut leaves no room for text, or contradicts `truncate`.
        """
        encoder = model.engine.encoder
        if self.truncate in ("right", "left"):
            encoder = replace(encoder, keep_left=self.truncate == "right")
        most = self.most_tokens
        if most is None or most == -1:
            return encoder
        added = encoder.single.added
        if most <= added:
            raise _bad(
                f"truncate_prompt_tokens {most}: {added} are special tokens; at least "
                f"{added + 1}, or -1 for all that the model reads"
            )
        if self.truncate == "error":
            raise _bad(f"truncate_prompt_tokens {most} cuts, truncate error refuses to")
        return replace(encoder, max_length=min(most, encoder.max_length))


def side_of(word: str | None) -> str | None:
    """`truncate` in our words: Cohere's END, START and NONE are right, left and error."""
    return None if word is None else SIDES.get(word, word)


def prompt_of(
    model: Served, *, name: str | None = None, input_type: str | None = None
) -> str | None:
    """The prompt that a request asks for; None where it asks for none.

    Args:
        model: whose bundle keeps the prompts of its sentence-transformers folder.
        name: of a prompt, as in sentence-transformers.
        input_type: what the texts are for; picks a prompt where the model has one for it.

    Raises:
        Problem: 400 for a prompt that the model does not have.
    """
    prompts: Mapping[str, str] = model.bundle.manifest.get("prompts") or {}
    if name is not None:
        if name not in prompts:
            known = f"has {', '.join(prompts)}" if prompts else "has no prompts"
            raise Problem(
                400,
                "invalid_field",
                f"prompt_name {name[:100]!r}: {model.name!r} {known}",
                "prompt_name",
            )
        return prompts[name]
    known_as = PROMPTS.get(input_type or "", ())
    return next((prompts[name] for name in known_as if name in prompts), None)


def _bad(message: str) -> Problem:
    return Problem(400, "invalid_field", message, "truncate_prompt_tokens")
