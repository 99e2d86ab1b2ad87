"""The wheel and the source archive: every module and data file, whatever built them."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
LINKS = ("train", "export", "evalsuite", "serve")
DATA = {".json", ".yaml", ".html", ".css", ".js", ".typed"}


def tracked():
    """Paths of the working tree that a commit would hold."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True, text=True,
    ).stdout.split("\0")  # fmt: skip
    return [name for name in listed if name and (ROOT / name).is_file()]


def copy_tree(folder):
    for name in tracked():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for name in LINKS:
        (folder / name).symlink_to(f"src/xlt/{name}")


def build(source, out, what):
    """Wheel or sdist by setuptools' own hooks: no network, no isolated environment."""
    out.mkdir(parents=True, exist_ok=True)
    code = f"from setuptools import build_meta as b; print(b.build_{what}({str(out)!r}))"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code],
                          cwd=source, capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out / done.stdout.split()[-1]


def expected():
    return {
        str(path.relative_to(SOURCE))
        for path in (SOURCE / "xlt").rglob("*")
        if path.suffix in DATA | {".py"}
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    source = tmp_path_factory.mktemp("source") / "xlt"
    copy_tree(source)
    return build(source, tmp_path_factory.mktemp("wheel"), "wheel")


def test_wheel_holds_the_package_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    inside = {name for name in names if ".dist-info/" not in name}
    assert inside == expected()
    assert "xlt/py.typed" in inside


def test_sdist_builds_the_same_wheel(wheel, tmp_path):
    source = tmp_path / "tree"
    copy_tree(source)
    with tarfile.open(build(source, tmp_path / "dist", "sdist")) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (folder,) = (tmp_path / "unpacked").iterdir()
    assert {str(p.relative_to(folder / "src")) for p in (folder / "src" / "xlt").rglob("*")
            if p.suffix in DATA | {".py"}} == expected()  # fmt: skip
    assert (folder / "LICENSE").is_file()
    again = build(folder, tmp_path / "again", "wheel")
    assert set(zipfile.ZipFile(again).namelist()) == set(zipfile.ZipFile(wheel).namelist())


def test_the_doors_at_the_root_are_links_into_the_package():
    for name in LINKS:
        assert (ROOT / name).readlink() == Path(f"src/xlt/{name}")


def test_a_clone_without_link_support_builds_and_imports(tmp_path):
    clone = tmp_path / "clone"
    done = subprocess.run(
        ["git", "-c", "core.symlinks=false", "clone", "-q", "--no-hardlinks", ROOT, clone],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (clone / "train").is_file()
    assert (clone / "train").read_text() == "src/xlt/train"
    wheel = build(clone, tmp_path / "dist", "wheel")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = "import xlt, xlt.train, xlt.evalsuite; print(xlt.__file__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
                          )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "site") in done.stdout


def test_type_checkers_outside_the_checkout_see_the_public_face(tmp_path):
    """A plain editable install is enough: no link tree, no special mode."""
    script = tmp_path / "user.py"
    script.write_text(
        "from xlt.train import TrainConfig, fit\n"
        "reveal_type(fit)\n"
        "fit(5)\n"
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file=", "--cache-dir", str(tmp_path / "cache"),
         "--follow-imports=silent", "--ignore-missing-imports", str(script)],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert "TrainConfig) -> xlt." in done.stdout, done.stdout + done.stderr
    assert 'incompatible type "int"; expected "TrainConfig"' in done.stdout
    assert "import-not-found" not in done.stdout
