"""Parts that all JSON types share, errors, and the decoding of bodies.

Decoding, checks, messages and OpenAPI come from these types. Our own routes and OpenAI's refuse
unknown fields; TEI's and KServe's clients send extra ones.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from xlt.serve.errors import Problem
from xlt.serve.limits import MAX_ITEMS

__all__ = [
    "Answer",
    "AnyTruncate",
    "ErrorBody",
    "ErrorFields",
    "InputType",
    "MessageError",
    "ModelName",
    "MostTokens",
    "PlainError",
    "Strict",
    "TeiError",
    "Text",
    "Texts",
    "Truncate",
    "Usage",
    "decode",
    "decoder",
]

Text = Annotated[str, Meta(min_length=1, description="A text that is not empty.")]
Texts = Annotated[list[Text], Meta(min_length=1, max_length=MAX_ITEMS)]
ModelName = Annotated[
    str | None,
    Meta(description="Which model; may be left out when only one fits the route."),
]
Truncate = Annotated[
    Literal["right", "left", "error"] | None,
    Meta(
        description="What to do with a text that is too long: cut that end, or refuse it. "
        "By default it is cut where the model's training cut, which is right for most."
    ),
]
AnyTruncate = Annotated[
    Literal["right", "left", "error", "END", "START", "NONE"] | None,
    Meta(
        description="What to do with a text that is too long: cut that end, or refuse it; "
        "END, START and NONE are Cohere's words for right, left and error."
    ),
]
MostTokens = Annotated[
    Annotated[int, Meta(ge=-1)] | None,
    Meta(
        description="Cut texts to so many tokens, special ones included; -1 for the model's most."
    ),
]
InputType = Annotated[
    Literal[
        "query",
        "document",
        "passage",
        "search_query",
        "search_document",
        "classification",
        "clustering",
    ]
    | None,
    Meta(description="What the texts are for; picks the prompt of a model that has prompts."),
]
PARAM = 100  # characters of a field's name that are said again
T = TypeVar("T")


class Strict(Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of our own requests."""


class Answer(Struct, kw_only=True, omit_defaults=True):
    """Base of answers: parts that are not there are left out."""


class ErrorFields(Struct, kw_only=True):
    """OpenAI's error object."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(Struct, kw_only=True):
    """An error in OpenAI's dialect, and ours."""

    error: ErrorFields


class PlainError(Struct, kw_only=True):
    """An error in KServe's dialect."""

    error: str


class MessageError(Struct, kw_only=True):
    """An error in Cohere's dialect."""

    message: str


class TeiError(Struct, kw_only=True):
    """An error in TEI's dialect."""

    error: str
    error_type: str


class Usage(Struct, kw_only=True):
    """Tokens that were computed, special tokens included."""

    prompt_tokens: int
    total_tokens: int


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Read a JSON body.

    Raises:
        Problem: 400, naming the place and the rule.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        message = str(error)
        code = "empty_input" if " of length >= 1 " in f"{message} " else "invalid_field"
        raise Problem(400, code, _short(message), param_of(message)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        what = "the body is empty" if not body.strip() else str(error)
        raise Problem(400, "invalid_json", f"not JSON: {what}") from None
    except RecursionError:
        raise Problem(400, "invalid_json", "not JSON we read: nested too deeply") from None


def _short(message: str) -> str:
    """A message without the middle of a long value that it quotes; the place is at its end."""
    return message if len(message) <= 400 else f"{message[:200]} ... {message[-150:]}"


def param_of(message: str) -> str | None:
    """The field that msgspec's message names: of its path, or the missing or unknown one."""
    text, _, path = message.rpartition(" - at `$")
    if not text:
        text, path = message, ""
    first = path.strip("`").lstrip(".").split(".")[0].split("[")[0]
    if first:
        return first[:PARAM]
    for start in ("Object missing required field `", "Object contains unknown field `"):
        if text.startswith(start):
            return text[len(start) :].split("`")[0][:PARAM]
    return None


def decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    """A decoder of a request type; made once."""
    return msgspec.json.Decoder(kind)
