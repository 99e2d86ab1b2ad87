"""Mine two files: texts, vectors, neighbours, margin scores, a cut, a file of pairs."""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from xlt.core.artifacts.lock import locked
from xlt.core.errors import UsageError, did_you_mean
from xlt.core.files import sha256_file, sha256_json, write_json
from xlt.core.retrieval.mining import MARGINS, Threshold, select
from xlt.core.show import terminal as show
from xlt.evalsuite.compute.sources import code_hash
from xlt.evalsuite.mine.neighbours import INDEXES, Found, find_neighbours
from xlt.evalsuite.mine.pairs import write_pairs
from xlt.evalsuite.mine.sample import read_sample
from xlt.evalsuite.mine.store import SLICE, Embed, embed_texts
from xlt.evalsuite.mine.texts import Texts, scan

__all__ = ["MineConfig", "Mined", "mine_files", "work_folder"]

LOCK = "mine.lock"
OURS = (LOCK, *(f"{side}.{kind}" for side in ("src", "tgt") for kind in ("txt", "f32", "json")))
SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MineConfig:
    """What is mined, and how.

    Attributes:
        source: one text a line, plain or gzip.
        target: the same in another language.
        out: the TSV file of pairs.
        margin: ratio, distance or absolute.
        k: neighbours a text.
        threshold: lowest score kept; None: above 0, as the official code, or by the sample.
        labelled: a labelled sample that the threshold is chosen on.
        index: flat, ivf or hnsw.
        prompt: put before every text.
        threads: of FAISS.
        slice_size: texts that are encoded together.
        keep_work: leave the vectors in the work folder for another call.
        force: replace `out`.
    """

    source: Path
    target: Path
    out: Path
    margin: str = "ratio"
    k: int = 4
    threshold: float | None = None
    labelled: Path | None = None
    index: str = "flat"
    prompt: str = ""
    threads: int = 1
    slice_size: int = SLICE
    keep_work: bool = False
    force: bool = False

    def check(self) -> None:
        """Report all mistakes that can be seen before any work.

        Raises:
            UsageError: names them.
        """
        mistakes = [
            f"unknown {what} {name!r}{did_you_mean(name, known)}; known: {' '.join(known)}"
            for what, name, known in (
                ("margin", self.margin, MARGINS),
                ("index", self.index, INDEXES),
            )
            if name not in known
        ]
        if self.k < 1:
            mistakes.append(f"-k {self.k}: at least one neighbour is needed")
        if self.threshold is not None and self.labelled is not None:
            mistakes.append("--threshold and --labelled both give the threshold")
        if self.out.is_dir():
            mistakes.append(f"--out {self.out} is a folder, a file is needed")
        elif self.out.exists() and not self.force:
            mistakes.append(f"--out {self.out} is there already")
        if mistakes:
            raise UsageError.all_of(mistakes, "xlt mine --help; --force replaces --out")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mined:
    """What was found.

    Attributes:
        record: settings, files, counts and threshold, as written beside the pairs.
        kept: the folder with the vectors when it was left, else None.
    """

    record: dict[str, Any]
    kept: Path | None


def work_folder(out: Path) -> Path:
    """Where vectors and copies of the texts lie while `out` is made."""
    return out.with_name(f"{out.name}.work")


def mine_files(config: MineConfig, embed: Embed, model: str) -> Mined:
    """Mine the pairs of two files.

    After a kill at any moment the same call goes on with the slices of vectors that were
    finished, and ends with the same bytes.

    Args:
        config: files and settings.
        embed: (texts, tick) -> unit vectors, float32 (N, D).
        model: key of the bundle behind `embed`.

    Raises:
        UsageError: mistakes in the configuration, the folder is in use, the disk is full.
        DataError: a file is missing or not what it should be.
        ModelError: the model fails.
        MissingExtra: FAISS is needed and not installed.
    """
    config.check()
    work = work_folder(config.out)
    foreign = [path.name for path in work.iterdir() if not _is_ours(path)] if work.is_dir() else []
    if foreign:
        raise UsageError(
            f"{work} holds files that are not of xlt mine ({', '.join(sorted(foreign)[:3])})",
            "move them, or choose another --out",
        )
    with locked(work / LOCK):
        for part in work.glob(".*.part"):
            part.unlink()
        record = _mine(config, embed, model, work)
    if config.keep_work:
        return Mined(record=record, kept=work)
    for name in OURS:
        (work / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        work.rmdir()
    return Mined(record=record, kept=None)


def _is_ours(path: Path) -> bool:
    return path.name in OURS or (path.name.startswith(".") and path.suffix == ".part")


def _mine(config: MineConfig, embed: Embed, model: str, work: Path) -> dict[str, Any]:
    sides: list[tuple[Texts, Any, str]] = []
    texts = [scan(config.source, work / "src.txt"), scan(config.target, work / "tgt.txt")]
    sample = None if config.labelled is None else read_sample(config.labelled, *texts)
    for name, side in zip(("src", "tgt"), texts, strict=True):
        digest = sha256_file(side.path)
        key = sha256_json([SCHEMA, model, code_hash("encoder"), config.prompt, digest])
        vectors = embed_texts(side, embed, work, name, key, slice_size=config.slice_size)
        sides.append((side, vectors, digest))
    (x, x_ND, hash_x), (y, y_MD, hash_y) = sides
    found = find_neighbours(x_ND, y_MD, config.k, index=config.index, threads=config.threads)
    score, i, j = select(
        found.forward,
        found.backward,
        means_N=found.forward[0].mean(axis=1),
        means_M=found.backward[0].mean(axis=1),
        margin=config.margin,
        threshold=None if config.threshold is None and sample is None else float("-inf"),
    )
    chosen = None if sample is None else sample.threshold(score, i, j)
    cut = config.threshold if chosen is None else chosen.value
    kept = slice(None) if cut is None else score >= cut
    score, i, j = score[kept], i[kept], j[kept]
    rows = write_pairs(config.out, x, y, score, i, j)
    show.note(f"pairs: {config.out}")
    record = {
        "schema": SCHEMA,
        "model": model,
        "prompt": config.prompt,
        "source": _told(x, hash_x),
        "target": _told(y, hash_y),
        "margin": config.margin,
        "k": config.k,
        "threshold": cut,
        **_chosen(chosen, config),
        **_index(found, config),
        "pairs": len(score),
        "rows": rows,
        "sha256": sha256_file(config.out),
    }
    write_json(config.out.with_name(f"{config.out.name}.json"), record)
    return record


def _told(texts: Texts, digest: str) -> dict[str, Any]:
    return {
        "path": str(texts.path),
        "sha256": digest,
        "lines": texts.n_lines,
        "blank": texts.n_lines - len(texts.lines),
        "texts": len(texts),
    }


def _chosen(chosen: Threshold | None, config: MineConfig) -> dict[str, Any]:
    return {} if chosen is None else {"labelled": str(config.labelled), "on_sample": asdict(chosen)}


def _index(found: Found, config: MineConfig) -> dict[str, Any]:
    told: dict[str, Any] = {"index": config.index}
    if found.recall is not None:
        told |= {"recall": found.recall, "recall_sample": found.sample}
    return told
