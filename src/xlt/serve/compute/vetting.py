"""Bundles that come in while the server runs are looked at before they are loaded.

A tokenizer can be written so that a short text takes all memory, and it takes the process with it.
So it is tried in a process of its own, within bounds of time and memory; the graph, which ONNX
Runtime reads, is not. What is refused here costs the server nothing, and other loads go on.

    python -m xlt.serve.compute.vetting FOLDER     what the process runs
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xlt.core.artifacts.bundle import MANIFEST
from xlt.core.errors import ModelError, XltError
from xlt.core.files import read_json

__all__ = ["Vetting", "check_files", "try_tokenizer"]

SECONDS = 60.0
MEMORY = 4 << 30  # of addresses; a tokenizer of 250,000 tokens takes a quarter
MOST_FILES = 1000
TOKENIZER = "tokenizer.json"
JSON_BYTES, TOKENIZER_BYTES = 8 << 20, 256 << 20
MOST_GROWTH = 64  # characters or tokens that one character may become
HINT = "export the model again with xlt export, and copy the whole folder"


class Vetting:
    """Looks at bundles, each in a process of its own."""

    def __init__(self, *, seconds: float = SECONDS, memory: int = MEMORY) -> None:
        self.seconds, self.memory = seconds, memory
        self.running: set[subprocess.Popen[bytes]] = set()

    def vet(self, folder: Path, root: Path | None) -> None:
        """Refuse a bundle that would harm the server. Blocks until the process has ended.

        Args:
            folder: of the bundle.
            root: that its files have to be in; None for a bundle of the server's own start.

        Raises:
            ModelError: what is wrong.
        """
        check_files(folder, root)
        command = [sys.executable, "-m", "xlt.serve.compute.vetting", str(folder), str(self.memory)]
        env = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.running.add(process)
        try:
            said, _ = process.communicate(timeout=self.seconds)
        except subprocess.TimeoutExpired:
            raise ModelError(
                f"{folder}: its tokenizer did not split some lines of text in {self.seconds:g} s",
                HINT,
            ) from None
        finally:
            self.running.discard(process)
            process.kill()
            process.communicate()
        if process.returncode == ModelError.exit_code:
            raise ModelError(said.decode("utf-8", "replace").strip() or f"{folder}: damaged", HINT)
        if process.returncode != 0:
            raise ModelError(
                f"{folder}: its tokenizer takes more than {self.memory >> 20} MiB, or crashes", HINT
            )

    def stop(self) -> None:
        """End what still runs."""
        for process in list(self.running):
            process.kill()


def check_files(folder: Path, root: Path | None) -> None:
    """Refuse a folder with links out of `root`, with devices, or with huge JSON files.

    Raises:
        ModelError: names the first file at fault.
    """
    inside = None if root is None else root.resolve()
    for count, path in enumerate(_files(folder, inside)):
        if count == MOST_FILES:
            raise ModelError(f"{folder}: more than {MOST_FILES} files", HINT)
        try:
            target = path.resolve(strict=True)
            found = target.stat()
        except (OSError, RuntimeError):  # a link to nowhere, or to itself
            raise ModelError(f"{path}: a link to nothing", HINT) from None
        if inside is not None and not target.is_relative_to(inside):
            raise ModelError(f"{path}: a link out of the repository", HINT)
        if not stat.S_ISREG(found.st_mode):
            raise ModelError(f"{path}: not a regular file", HINT)
        most = TOKENIZER_BYTES if path.name == TOKENIZER else JSON_BYTES
        if path.suffix == ".json" and found.st_size > most:
            raise ModelError(f"{path}: {found.st_size} bytes; at most {most} are read", HINT)


def _files(folder: Path, inside: Path | None) -> Iterator[Path]:
    """All files; linked folders are not walked (they may lead in circles), only held in bounds."""
    for parent, folders, names in os.walk(folder):
        for name in folders:
            path = Path(parent, name)
            if path.is_symlink() and inside and not path.resolve().is_relative_to(inside):
                raise ModelError(f"{path}: a link out of the repository", HINT)
        yield from (Path(parent, name) for name in names)


def try_tokenizer(folder: Path) -> None:
    """Split texts with the tokenizer of a bundle.

    Raises:
        ModelError: a file is damaged, or text grows without bound.
    """
    from xlt.core.encode.encoder import Encoder

    try:
        for name in (MANIFEST, "config.json", TOKENIZER):
            value = read_json(folder / name, ModelError)
    except RecursionError:
        raise ModelError(f"{folder / name}: nested too deeply", HINT) from None
    encoder = Encoder.load(folder)
    for text in _texts(value):
        normalizer = encoder.tokenizer.normalizer
        grown = text if normalizer is None else normalizer.normalize_str(text)
        n_tokens = len(encoder.tokenise([text])[text])
        size = len(text.encode())
        if max(len(grown), n_tokens) > MOST_GROWTH * size:
            raise ModelError(
                f"{folder / TOKENIZER}: a text of {size} bytes becomes {len(grown)} characters and "
                f"{n_tokens} tokens",
                HINT,
            )


def _texts(tokenizer: Any) -> list[str]:
    """Texts in several scripts, and what the tokenizer says it replaces."""
    ascii_ = "".join(map(chr, range(32, 127)))
    scripts = "àßñ Ωж שלום سلام नमस्ते ไทย 中文 かな 한국어 ﷺ ½ 😀 \u00a0\u200d\n\t"
    own = sorted(set(_patterns(tokenizer)))[:1000]
    return [ascii_, scripts, "the river runs past seven old houses", *own]


def _patterns(value: Any) -> Iterator[str]:
    """The strings that a tokenizer's steps look for."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            pattern = part.get("pattern")
            if isinstance(pattern, dict) and isinstance(pattern.get("String"), str):
                yield pattern["String"][:1000] or " "
            waiting += [inner for key, inner in part.items() if key not in ("vocab", "merges")]
        elif isinstance(part, list):
            waiting += part


def main(arguments: list[str]) -> int:
    """Bound this process, then try; the fault goes to stdout."""
    import resource

    folder, memory = Path(arguments[0]), int(arguments[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        try_tokenizer(folder)
    except XltError as error:
        sys.stdout.write(error.message)
        return ModelError.exit_code
    except Exception as error:
        sys.stdout.write(f"{folder}: {type(error).__name__}")
        return ModelError.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
