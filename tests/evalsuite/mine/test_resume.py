"""Killed at any moment, the same call ends with the same bytes; memory stays bounded."""

import signal
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from xlt.evalsuite.mine.mining import MineConfig, mine_files, work_folder

# Mines with a stub that kills its process before the n-th slice, or at the n-th rename.
VICTIM = """
import hashlib, os, pathlib, signal, sys
import numpy as np
from xlt.evalsuite.mine.mining import MineConfig, mine_files
folder, what, number = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
seen = {"slice": 0, "rename": 0, "sync": 0}
def hit(name):
    seen[name] += 1
    if name == what and seen[name] == number:
        os.kill(os.getpid(), signal.SIGKILL)
def embed(texts, tick):
    hit("slice")
    print(len(texts), flush=True)
    rows = [np.frombuffer(hashlib.sha256(t.split(":")[1].encode()).digest(), np.uint8)
            for t in texts]
    vectors = np.array(rows, dtype=np.float32) - 127
    tick(len(texts))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
rename, sync = pathlib.Path.replace, os.fsync
def replace(self, target):
    hit("rename")
    return rename(self, target)
def fsync(handle):
    hit("sync")
    return sync(handle)
pathlib.Path.replace, os.fsync = replace, fsync
mine_files(MineConfig(source=folder / "src", target=folder / "tgt", out=folder / "pairs.tsv",
                      slice_size=8), embed, "key")
"""


def run(folder, what="none", number=0):
    return subprocess.run(
        [sys.executable, "-c", VICTIM, str(folder), what, str(number)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def write(folder):
    folder.mkdir()
    (folder / "src").write_text("".join(f"de:{n}\n" for n in range(30)))
    (folder / "tgt").write_text("".join(f"en:{n}\n" for n in range(25, -1, -1)))
    return folder


def encoded(done):
    return sum(map(int, done.stdout.split()))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = write(tmp_path_factory.mktemp("mine") / "whole")
    done = run(folder)
    assert done.returncode == 0, done.stderr
    assert encoded(done) == 56
    return (folder / "pairs.tsv").read_bytes()


@pytest.mark.parametrize(
    ("what", "number", "left"),
    [("slice", 1, 56), ("slice", 3, 40), ("slice", 6, 18), ("rename", 2, 48), ("sync", 5, 48),
     ("rename", 9, 0)],
)  # fmt: skip
def test_killed_it_goes_on_with_the_finished_slices(tmp_path, undisturbed, what, number, left):
    folder = write(tmp_path / "killed")
    killed = run(folder, what, number)
    assert killed.returncode == -signal.SIGKILL
    assert not (folder / "pairs.tsv").exists()
    again = run(folder)
    assert again.returncode == 0, again.stderr
    assert encoded(again) == left
    assert (folder / "pairs.tsv").read_bytes() == undisturbed
    left_over = {path.name for path in folder.iterdir() if path.suffix != ".part"}
    assert left_over == {"pairs.tsv", "pairs.tsv.json", "src", "tgt"}


def test_a_slice_that_is_not_as_it_was_written_is_computed_again(tmp_path, undisturbed):
    folder = write(tmp_path / "changed")
    run(folder, "slice", 4)
    vectors = work_folder(folder / "pairs.tsv") / "src.f32"
    data = bytearray(vectors.read_bytes())
    data[10 * 32 * 4] ^= 1  # in the second slice
    vectors.write_bytes(data)
    again = run(folder)
    assert encoded(again) == 56 - 8
    assert (folder / "pairs.tsv").read_bytes() == undisturbed


def test_memory_is_bounded_by_lines_not_by_vectors_or_texts(tmp_path):
    """docs/mine.md: 400 bytes a line, 32 MiB, and 48 KiB for each number of a vector."""
    lines, width = 16_000, 768
    for name in ("src", "tgt"):
        text = "".join(f"{name} {n} {'long ' * 40}\n" for n in range(lines))
        (tmp_path / name).write_text(text)

    def embed(texts, tick):
        rng = np.random.default_rng(len(texts) + sum(texts[0].encode()))
        vectors = rng.normal(size=(len(texts), width)).astype(np.float32)
        tick(len(texts))
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    config = MineConfig(source=tmp_path / "src", target=tmp_path / "tgt",
                        out=tmp_path / "pairs.tsv", slice_size=512)  # fmt: skip
    tracemalloc.start()
    try:
        mine_files(config, embed, "key")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * lines * 400 + (32 << 20) + (width * 48 << 10)
    assert peak < 2 * lines * width * 4  # the vectors
