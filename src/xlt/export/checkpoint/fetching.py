"""Models of the hub: the files that an export needs, from the cache or the network."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from xlt.core.artifacts.hub import prepare_hub
from xlt.core.errors import ModelError
from xlt.core.extras import needs
from xlt.core.files import read_json
from xlt.export.checkpoint.reading import (
    GRAPHS,
    PICKLES,
    SAFE_WEIGHTS,
    SMALL_FILES,
    parts_of,
)
from xlt.export.checkpoint.sentence import module_files, transformer_place

__all__ = ["HUB_ID", "fetch"]

HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
PREFIX = "hf:"


def fetch(hub_id: str, *, pickles: bool = False) -> Path:
    """The local folder of a hub model, downloaded into transformers' cache when it is not there.

    Args:
        hub_id: ORG/NAME or NAME; `hf:` may stand before it.
        pickles: whether pytorch_model.bin may be fetched where there is nothing else.

    Raises:
        ModelError: no such model, or the hub cannot be reached.
        MissingExtra: transformers is not installed.
    """
    hub_id = hub_id.removeprefix(PREFIX)
    if not HUB_ID.fullmatch(hub_id):
        raise ModelError(f"{hub_id}: no such folder", "name a run, a checkpoint folder or a hub id")
    offline = prepare_hub()
    with needs("export", "reading checkpoints"):
        from transformers.utils import cached_file

    def get(name: str) -> str | None:
        found = cached_file(hub_id, name, _raise_exceptions_for_missing_entries=False)
        return None if found is None else str(found)

    try:
        # old sentence models have no config.json at the top, and those without either are refused
        first = get("config.json") or str(cached_file(hub_id, "modules.json"))
        folder = Path(first).parent
        _get_all(folder, get, pickles)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        if offline:
            raise ModelError(
                f"{hub_id}: no such folder, not in the hub's cache, and {offline}",
                "check the name and the connection, or give a local folder",
            ) from error
        raise ModelError(
            f"{hub_id}: neither a folder nor a hub model that can be fetched ({reason})",
            "check the name and the connection, or give a local folder",
        ) from error
    return folder


def _get_all(folder: Path, get: Callable[[str], Any], pickles: bool) -> None:
    """Small files first: they say which others there are."""
    for name in SMALL_FILES:
        get(name)
    for name in module_files(folder):
        if pickles or not name.endswith(".bin"):
            get(name)
    place = transformer_place(folder)
    before = f"{place}/" if place else ""
    for name in ("config.json", *SMALL_FILES) if place else ():
        get(f"{before}{name}")
    for name in (*SAFE_WEIGHTS, *(PICKLES if pickles else ())):
        found = get(f"{before}{name}")
        if found is None:
            continue
        if name.endswith(".index.json"):
            for part in parts_of(read_json(Path(found), ModelError), name):
                get(f"{before}{part}")
        return
    for name in GRAPHS:  # no weights: a graph that somebody else has made
        if get(f"{before}{name}") is not None:
            get(f"{before}{name}_data")
            return
