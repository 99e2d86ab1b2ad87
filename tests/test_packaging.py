"""The wheel: only `xlt/`, every module and data file, and the package map is complete."""

import configparser
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
STAGES = ("world", "train", "export", "evalsuite", "serve", "study")


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    source = tmp_path_factory.mktemp("source") / "xlt"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True, text=True,
    ).stdout.split("\0")  # fmt: skip
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation",
         "-w", str(out), str(source)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (wheel,) = out.glob("*.whl")
    return zipfile.ZipFile(wheel).namelist()


def test_wheel_holds_only_the_package(wheel_names):
    tops = {name.partition("/")[0] for name in wheel_names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"xlt"}


def test_wheel_holds_every_module_and_data_file(wheel_names):
    expected = set()
    for folder in ("core", *STAGES):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".json", ".yaml", ".html", ".css", ".js"}:
                inside = path.relative_to(ROOT)
                parts = inside.parts[1:] if folder == "core" else inside.parts
                expected.add("/".join(("xlt", *parts)))
    assert expected <= set(wheel_names), sorted(expected - set(wheel_names))


def test_every_folder_with_code_is_a_listed_package():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = {name.strip() for name in config["options"]["packages"].split(",")}
    found = set()
    for folder in ("core", *STAGES):
        for path in (ROOT / folder).rglob("*.py"):
            parts = path.parent.relative_to(ROOT).parts
            found.add(".".join(("xlt", *(parts[1:] if folder == "core" else parts))))
    assert found == listed
