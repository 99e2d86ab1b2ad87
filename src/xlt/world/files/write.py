"""Write a world as a data root: whole or not at all, the same bytes for a size and a seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from xlt.core.errors import UsageError, did_you_mean
from xlt.core.files import atomic_folder, refuse_non_empty, sha256_file, sha256_json
from xlt.world.build import World, make_world
from xlt.world.files.formats import Folder
from xlt.world.files.pair_files import write_inference, write_paraphrase, write_planted
from xlt.world.files.plain_files import write_languages, write_retrieval, write_text
from xlt.world.files.task_files import write_choices, write_questions, write_tagging
from xlt.world.sizes import SIZES

__all__ = ["MANIFEST", "write_world"]

MANIFEST = "world.json"
PARTS: dict[str, Callable[[World, Folder], None]] = {
    "languages": write_languages,
    "inference": write_inference,
    "paraphrase": write_paraphrase,
    "tagging": write_tagging,
    "questions": write_questions,
    "choices": write_choices,
    "retrieval": write_retrieval,
    "text": write_text,
    "planted": write_planted,
}
VERSION = 2  # of the generator: a change of any byte needs a new one


def write_world(
    out: Path,
    *,
    size: str = "small",
    seed: int = 1,
    force: bool = False,
    step: Callable[[str], None] = lambda name: None,
) -> dict[str, Any]:
    """Write a data root in the official layouts, with `world.json` as its record.

    Args:
        out: the folder; it appears only when everything is written.
        size: tiny, small or medium.
        seed: of the whole world; equal sizes and seeds give equal bytes.
        force: replace a folder that is not empty.
        step: told the name of each part before it is written.

    Returns:
        The record: schema, generator version, size, seed, languages, numbers of files and bytes,
        and `sha256` over all files.

    Raises:
        UsageError: unknown size, `out` is not empty, or it cannot be written.
    """
    if size not in SIZES:
        raise UsageError(
            f"unknown size {size!r}{did_you_mean(size, SIZES)}", "known: " + " ".join(SIZES)
        )
    if out.is_file() or not force:
        refuse_non_empty(out, force=False)
    world = make_world(SIZES[size], seed)
    with atomic_folder(out) as path:
        folder = Folder(path)
        for name, write in PARTS.items():
            step(name)
            write(world, folder)
        record = {
            "schema": 1,
            "version": VERSION,
            "size": size,
            "seed": seed,
            "languages": list(world.grammars),
            **measure(path),
        }
        folder.json(MANIFEST, record, indent=1)
    return record


def measure(root: Path) -> dict[str, Any]:
    """Numbers of files and bytes of a root, in all and by folder, and one hash over them."""
    paths = sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and path.name != MANIFEST
    )
    sizes = {path: (root / path).stat().st_size for path in paths}
    files = Counter(path.partition("/")[0] for path in paths if "/" in path)
    return {
        "files": len(paths),
        "bytes": sum(sizes.values()),
        "folders": dict(sorted(files.items())),
        "sha256": sha256_json({path: sha256_file(root / path) for path in paths}),
    }
