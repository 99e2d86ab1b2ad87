"""`embed` keeps the vectors and a slice of texts in memory, and nothing of every text."""

import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from xlt.core.errors import DataError
from xlt.core.inference import embedding
from xlt.core.inference import engine as engines
from xlt.core.inference.engine import Engine

WIDTH = 384


class Stub:
    """A session that answers at once: every token's vector is made of its id."""

    inputs = {"input_ids": "tensor(int64)", "attention_mask": "tensor(int64)"}
    outputs = ["last_hidden_state"]
    device = "cpu"

    def run(self, feeds, outputs):
        ids = feeds["input_ids"]
        return [np.sin((ids[..., None] + 1.0) * np.arange(1, WIDTH + 1))]


@pytest.fixture
def engine(bundles, monkeypatch):
    monkeypatch.setattr(embedding, "EMBED_AT_ONCE", 256)
    opened = Engine.open(bundles["embed"], device="cpu", threads=1)
    return replace(opened, session=Stub(), outputs=("last_hidden_state",))


def texts(count):
    return (f"wa {i} mo {i % 97} ni" for i in range(count))


def test_memory_is_the_result_and_a_slice(engine, tmp_path):
    engine.embed(list(texts(300)))  # what is loaded once
    out = np.lib.format.open_memmap(tmp_path / "v.npy", "w+", np.float32, (6000, WIDTH))
    peaks = {}
    for count in (2000, 6000):
        tracemalloc.start()
        engine.embed(texts(count), out=out)
        peaks[count] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks[6000] - peaks[2000] < 300 * 4000  # of a million texts, 300 MB
    assert np.allclose(np.linalg.norm(out, axis=1), 1, atol=1e-5)


def test_slices_change_no_bit(engine, monkeypatch):
    given = [*texts(700), *texts(300)]
    sliced = engine.embed(given)
    monkeypatch.setattr(embedding, "EMBED_AT_ONCE", 10_000)
    assert np.array_equal(sliced, engine.embed(given))
    assert np.array_equal(sliced[700:], sliced[:300])


def test_a_text_that_came_in_an_earlier_slice_is_not_computed_again(engine, monkeypatch):
    distinct = {row.ids.tobytes() for row in engine.encode_rows(list(texts(400)))}
    rows = []
    monkeypatch.setattr(engines.Engine, "run", _counting(engines.Engine.run, rows))
    done = []
    engine.embed([*texts(400), *texts(400)], tick=done.append)
    assert sum(rows) == len(distinct)
    assert sum(done) == 800


def _counting(run, rows):
    def counted(self, given, *, tick=None):
        rows.append(len(given))
        return run(self, given, tick=tick)

    return counted


def test_texts_may_come_one_by_one_from_a_file(engine, tmp_path):
    path = tmp_path / "texts"
    path.write_text("\n".join(texts(600)))
    out = np.empty((600, WIDTH), np.float32)
    with path.open() as lines:
        assert engine.embed((line.rstrip("\n") for line in lines), out=out) is out
    assert np.array_equal(out, engine.embed(list(texts(600))))
    assert np.array_equal(out[:5], engine.embed(texts(5)))


@pytest.mark.parametrize("shape", [(5, WIDTH), (7, WIDTH - 1)])
def test_an_array_without_place_is_an_error(engine, shape):
    with pytest.raises(DataError, match="has no place"):
        engine.embed(list(texts(7)), out=np.empty(shape, np.float32))


def test_no_texts_no_vectors(engine):
    assert engine.embed([]).shape == (0, 0)


MILLION = """
import sys
from pathlib import Path
import numpy as np
from xlt.core.encode.rows import Row
from xlt.core.inference.embedding import embed
from xlt.core.kinds.embed import SENTENCE

def most():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

def rows_of(texts):
    return [Row(item=i, ids=np.array([0, int(text), 2], np.int32)) for i, text in enumerate(texts)]

def run(rows, *, tick=None):
    return [{SENTENCE: table[row.ids[1] % 64]} for row in rows]

count, width = 1_000_000, 64
table = np.random.default_rng(1).standard_normal((64, width), np.float32)
with open(sys.argv[1], "w") as file:
    file.writelines(f"{i}\\n" for i in range(count))
out = np.empty((count, width), np.float32)
before = most()
with open(sys.argv[1]) as lines:
    embed(lines, rows_of, run, tick=None, out=out)
assert abs(float(out[-1] @ out[-1]) - 1) < 1e-5
print((most() - before) * 1024, out.nbytes)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from /proc")
def test_a_million_texts_from_a_file_take_the_result_and_300_megabytes(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", MILLION, str(tmp_path / "texts")],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    peak, result = map(int, done.stdout.split())
    assert peak <= result + 300 * 10**6
