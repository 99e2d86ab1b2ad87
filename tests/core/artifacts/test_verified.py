"""A hash from the cache stands for a file only while nothing about the file has changed."""

import json
import os
import time

import pytest

from xlt.core.artifacts import verified
from xlt.core.artifacts.bundle import Bundle
from xlt.core.artifacts.verified import recorded_sha256
from xlt.core.errors import ModelError
from xlt.core.files import sha256_file

OLD = 1_600_000_000


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache/verified"


@pytest.fixture
def hashed(monkeypatch):
    """Files that were read, in order."""
    seen = []

    def read(path):
        seen.append(path.name)
        return sha256_file(path)

    monkeypatch.setattr(verified, "sha256_file", read)
    return seen


@pytest.fixture
def later(monkeypatch):
    """The clock stands ten seconds ahead, so that new files count as settled."""
    real = time.time_ns
    monkeypatch.setattr(verified.time, "time_ns", lambda: real() + 10_000_000_000)


def test_the_second_time_nothing_is_read(tmp_path, cache, hashed, later):
    path = tmp_path / "model"
    path.write_bytes(b"weights")
    assert recorded_sha256(path) == recorded_sha256(path) == sha256_file(path)
    assert hashed == ["model"]
    assert len(list(cache.iterdir())) == 1


def test_a_file_changed_a_moment_ago_is_not_recorded(tmp_path, cache, hashed):
    path = tmp_path / "model"
    path.write_bytes(b"weights")
    os.utime(path, (OLD, OLD))  # the change time still is now
    recorded_sha256(path)
    recorded_sha256(path)
    assert hashed == ["model", "model"]
    assert not cache.exists()


def test_a_record_made_too_soon_does_not_count(tmp_path, cache, hashed, later):
    path = tmp_path / "model"
    path.write_bytes(b"weights")
    recorded_sha256(path)
    (entry,) = cache.iterdir()
    record = json.loads(entry.read_text())
    for early in (record["state"][2] + 1_999_999_999, "soon", None):
        entry.write_text(json.dumps(record | {"made_ns": early, "sha256": "0" * 64}))
        assert recorded_sha256(path) == sha256_file(path)


def test_every_part_of_the_state_counts(tmp_path, cache, hashed, later):
    path = tmp_path / "model"
    path.write_bytes(b"weights")
    recorded_sha256(path)
    (entry,) = cache.iterdir()
    record = json.loads(entry.read_text())
    for place in range(len(verified.STAT)):
        state = list(record["state"])
        state[place] -= 1
        entry.write_text(json.dumps(record | {"state": state, "sha256": "0" * 64}))
        assert recorded_sha256(path) == sha256_file(path)
    assert len(hashed) == 1 + len(verified.STAT)


def test_same_size_and_same_modification_time_are_not_enough(tmp_path, cache, later):
    path = tmp_path / "model"
    path.write_bytes(b"weights")
    os.utime(path, (OLD, OLD))
    first = recorded_sha256(path)
    path.write_bytes(b"WEIGHTS")
    os.utime(path, (OLD, OLD))
    assert recorded_sha256(path) != first


def test_another_file_in_its_place_is_noticed(tmp_path, cache, later):
    path, other = tmp_path / "model", tmp_path / "other"
    path.write_bytes(b"weights")
    first = recorded_sha256(path)
    other.write_bytes(b"WEIGHTS")
    other.replace(path)
    assert recorded_sha256(path) != first


@pytest.mark.parametrize("text", ["", "{", "[]", '{"state": 1}', '"x"'])
def test_a_damaged_record_is_no_record(tmp_path, cache, hashed, later, text):
    path = tmp_path / "model"
    path.write_bytes(b"weights")
    recorded_sha256(path)
    (entry,) = cache.iterdir()
    entry.write_text(text)
    assert recorded_sha256(path) == sha256_file(path)


def test_a_cache_that_cannot_be_written_does_no_harm(tmp_path, monkeypatch, later):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "file"))
    path = tmp_path / "model"
    path.write_bytes(b"weights")
    assert recorded_sha256(path) == sha256_file(path)


def test_a_bundle_that_is_opened_to_be_sure_is_always_read(make_bundle, cache, hashed, later):
    folder = make_bundle("pair")
    Bundle.open(folder, recorded=True)
    count = len(hashed)
    assert count == len(Bundle.open(folder, recorded=True).manifest["files"])
    assert len(hashed) == count  # all from records
    for entry in cache.iterdir():  # records that lie
        entry.write_text(json.dumps(json.loads(entry.read_text()) | {"sha256": "0" * 64}))
    Bundle.open(folder)
    with pytest.raises(ModelError, match="SHA-256 differs"):
        Bundle.open(folder, recorded=True)
