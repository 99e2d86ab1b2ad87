"""Files in the layouts of the published data sets, the same bytes on every machine."""

from __future__ import annotations

import csv
import io
import json
import struct
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from xlt.world.language.grammar import Token
from xlt.world.tasks.questions import Asked

__all__ = ["Folder", "squad_json"]

STORED_BYTES = 65535


class Folder:
    """The data root being written; every method writes one file below it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def raw(self, name: str, data: bytes) -> None:
        """Bytes as they are."""
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    def lines(self, name: str, lines: Iterable[str]) -> None:
        """Text lines; a name that ends in `.gz` is written as gzip."""
        data = "".join(f"{line}\n" for line in lines).encode()
        self.raw(name, gzip_stored(data) if name.endswith(".gz") else data)

    def tsv(self, name: str, rows: Iterable[Sequence[str]]) -> None:
        """Tab-separated columns; texts hold neither tabs nor quotes here."""
        self.lines(name, ("\t".join(row) for row in rows))

    def jsonl(self, name: str, rows: Iterable[dict[str, Any]]) -> None:
        """One JSON object a line."""
        self.lines(name, (json.dumps(row, ensure_ascii=False) for row in rows))

    def json(self, name: str, value: Any, indent: int | None = None) -> None:
        """One JSON value."""
        self.lines(name, [json.dumps(value, ensure_ascii=False, indent=indent)])

    def csv(self, name: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Quoted comma-separated columns with a header."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
        self.raw(name, stream.getvalue().encode())

    def tags(self, name: str, sentences: Iterable[list[Token]], field: str) -> None:
        """`word TAB tag` lines with a blank line after each sentence; `field` names the tag."""
        self.lines(
            name,
            (
                line
                for tokens in sentences
                for line in (*(f"{t.text}\t{getattr(t, field)}" for t in tokens), "")
            ),
        )


def gzip_stored(data: bytes) -> bytes:
    """Gzip without compression, no time, no name: compressors differ between builds of zlib."""
    blocks = [data[i : i + STORED_BYTES] for i in range(0, len(data), STORED_BYTES)] or [b""]
    body = b"".join(
        struct.pack("<BHH", i == len(blocks) - 1, len(block), len(block) ^ 0xFFFF) + block
        for i, block in enumerate(blocks)
    )
    header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    return header + body + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)


def squad_json(name: str, version: str, items: Iterable[Asked]) -> dict[str, Any]:
    """SQuAD's layout, one paragraph a question; version 2.0 marks unanswerable questions."""
    paragraphs = []
    for number, item in enumerate(items):
        question: dict[str, Any] = {
            "id": f"{name}-{number:06d}",
            "question": item.question,
            "answers": (
                [{"text": item.answer, "answer_start": item.start}] if item.start >= 0 else []
            ),
        }
        if version == "v2.0":
            question["is_impossible"] = item.start < 0
        paragraphs.append({"context": item.context, "qas": [question]})
    return {"version": version, "data": [{"title": name, "paragraphs": paragraphs}]}
