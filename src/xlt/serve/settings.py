"""What a user can set on a server, besides its models."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from xlt.serve.auth import Keys
from xlt.serve.limits import Limits

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a user can set, besides the models.

    Attributes:
        keys: that clients need; with none, no key is needed.
        admin_keys: for loading and unloading models; none switches those routes off.
        key_file, admin_key_file: where they are read from, again on SIGHUP.
        repository: folder of bundles that may be loaded by name.
        cors: origins whose pages may call the server.
        metrics, docs: whether `/metrics`, and `/docs`, `/openapi.json` and `/` are there.
        accept_token_ids: whether `/v1/embeddings` takes token ids from clients that do not say that
            they are of the model's own tokenizer.
        drain_delay: seconds between "not ready" and refusing, after SIGTERM.
    """

    limits: Limits = field(default_factory=Limits)
    keys: Keys = field(default_factory=lambda: Keys([]))
    admin_keys: Keys = field(default_factory=lambda: Keys([]))
    key_file: Path | None = None
    admin_key_file: Path | None = None
    repository: Path | None = None
    cors: tuple[str, ...] = ()
    metrics: bool = True
    docs: bool = True
    accept_token_ids: bool = False
    root_path: str = ""
    drain_delay: float = 0.0
    tokenizer_threads: int = 2
