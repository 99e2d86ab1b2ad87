"""Atomic writes: a reader sees the old bytes or the new ones, never a mixture."""

import gzip
import json
import os
import resource
import signal
import subprocess
import sys
import time

import pytest

from xlt.core.errors import DataError, UsageError
from xlt.core.files import (
    atomic_folder,
    read_json,
    read_text,
    refuse_non_empty,
    sha256_bytes,
    sha256_file,
    sha256_json,
    write_atomic,
    write_json,
)


def test_write_then_read_keeps_every_bit(tmp_path):
    value = {"score": 1 / 3, "name": "ß", "list": [1, None, True]}
    write_json(tmp_path / "deep" / "a.json", value)
    assert read_json(tmp_path / "deep" / "a.json") == value
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["a.json"]


def test_nan_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert not (tmp_path / "a.json").exists()


def test_full_disk_leaves_the_old_file_and_exits_2(tmp_path):
    target = tmp_path / "a.bin"
    write_atomic(target, b"old")
    code = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from xlt.core.files import write_atomic\n"
        "from xlt.core.errors import UsageError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    write_atomic(Path(sys.argv[1]), b'x' * 5000)\n"
        "except UsageError as error:\n"
        "    assert 'cannot write' in error.message, error.message\n"
        "    sys.exit(error.exit_code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(target)])
    assert done.returncode == 2
    assert target.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_kill_while_writing_never_shows_half_a_file(tmp_path):
    target = tmp_path / "a.json"
    code = (
        "import sys\nfrom pathlib import Path\nfrom xlt.core.files import write_json\n"
        "i = 0\n"
        "while True:\n"
        "    i += 1\n"
        "    write_json(Path(sys.argv[1]), {'i': i, 'pad': [i] * 20000})\n"
    )
    for _ in range(3):
        child = subprocess.Popen([sys.executable, "-c", code, str(target)])
        deadline = time.monotonic() + 20
        before = target.stat().st_mtime_ns if target.exists() else 0
        while time.monotonic() < deadline:
            if target.exists() and target.stat().st_mtime_ns != before:
                break
            time.sleep(0.01)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        value = json.loads(target.read_text())
        assert value["pad"] == [value["i"]] * 20000


def test_atomic_folder_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "out"
    with pytest.raises(RuntimeError), atomic_folder(target) as folder:
        (folder / "half").write_text("x")
        raise RuntimeError
    assert not target.exists()
    with atomic_folder(target) as folder:
        (folder / "whole").write_text("x")
    assert [p.name for p in target.iterdir()] == ["whole"]
    with atomic_folder(target) as folder:
        (folder / "newer").write_text("x")
    assert [p.name for p in target.iterdir()] == ["newer"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_invalid_utf8_names_the_line(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_bytes(b"fine\nfine\nbro\xffken\n")
    with pytest.raises(DataError, match="line 3 is not valid UTF-8"):
        read_text(path)


@pytest.mark.parametrize("damage", [lambda b: b[:-9], lambda b: b[:20], lambda b: b"no" + b])
def test_truncated_or_foreign_gzip_is_a_data_error(tmp_path, damage):
    path = tmp_path / "a.tsv.gz"
    path.write_bytes(damage(gzip.compress(b"hello world, " * 50)))
    with pytest.raises(DataError, match=r"a\.tsv\.gz"):
        read_text(path)


def test_byte_order_mark_is_dropped(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfx")
    assert read_text(path) == "x"


def test_broken_json_names_line_and_column(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"a": 1,\n "b": }')
    with pytest.raises(DataError, match="line 2 column 7"):
        read_json(path)
    with pytest.raises(DataError, match="no such file"):
        read_json(tmp_path / "none.json")


def test_non_empty_output_is_refused_unless_forced(tmp_path):
    refuse_non_empty(tmp_path / "new", force=False)
    (tmp_path / "full").mkdir()
    refuse_non_empty(tmp_path / "full", force=False)
    (tmp_path / "full" / "x").touch()
    with pytest.raises(UsageError, match="not empty"):
        refuse_non_empty(tmp_path / "full", force=False)
    refuse_non_empty(tmp_path / "full", force=True)
    assert not (tmp_path / "full").exists()
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is a file"):
        refuse_non_empty(tmp_path / "file", force=True)


def test_hashes_agree(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_file(tmp_path / "a") == sha256_bytes(b"abc")
    assert sha256_json({"b": 1, "a": 2}) == sha256_json({"a": 2, "b": 1})
