"""Pack the official oracle into this folder, and unpack it: same files, same bytes.

Run as `python tests/core/oracle/pack.py ORACLE` to pack it again after the oracle has changed.
"""

import gzip
import io
import sys
import tarfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ARCHIVES = {
    "scores.tar.gz": ("labels", "predictions"),
    "retrieval.tar.gz": ("retrieval",),
}
PLAIN = ("expected.json", "retrieval/expected_retrieval.json")


def pack(oracle):
    """Write the archives and the plain files; equal input gives equal bytes."""
    for name, folders in ARCHIVES.items():
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for path in sorted(p for folder in folders for p in (oracle / folder).rglob("*")):
                inside = path.relative_to(oracle).as_posix()
                if path.is_file() and inside not in PLAIN:
                    member = tarfile.TarInfo(inside)
                    member.size = path.stat().st_size
                    tar.addfile(member, io.BytesIO(path.read_bytes()))
        (FOLDER / name).write_bytes(gzip.compress(stream.getvalue(), 9, mtime=0))
    for inside in PLAIN:
        (FOLDER / Path(inside).name).write_bytes((oracle / inside).read_bytes())


def unpack(target):
    """Write all files below `target`, as they lie in the oracle."""
    for name in ARCHIVES:
        with tarfile.open(FOLDER / name) as tar:
            for member in tar:
                path = target / member.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(tar.extractfile(member).read())
    for inside in PLAIN:
        (target / inside).write_bytes((FOLDER / Path(inside).name).read_bytes())


if __name__ == "__main__":
    pack(Path(sys.argv[1]))
