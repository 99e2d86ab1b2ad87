"""The hashes of our own code: no comment changes them, any line of code does."""

import shutil
import subprocess
import sys

import pytest

from xlt.evalsuite.compute import sources
from xlt.evalsuite.compute.sources import PACKAGE, PARTS, code_hash, code_of, source_files

# What an evaluation loads and no score depends on: it finds, hands out, shows, stores, averages
# or reports.
ROOMS_WITHOUT = (
    "xlt.core.artifacts",
    "xlt.core.show",
    "xlt.evalsuite.plan",
    "xlt.evalsuite.report",
    "xlt.evalsuite.workers",
)
MODULES_WITHOUT = {
    "xlt", "xlt._version", "xlt.core", "xlt.core.errors", "xlt.core.extras", "xlt.core.files",
    "xlt.core.install",
    "xlt.core.tasks", "xlt.core.tasks.table", "xlt.core.tasks.languages", "xlt.evalsuite",
    "xlt.core.tasks.published", "xlt.evalsuite.run",
}  # fmt: skip


@pytest.fixture
def package(tmp_path):
    """A copy of the package to change."""
    ignore = shutil.ignore_patterns("__pycache__")
    return shutil.copytree(PACKAGE, tmp_path / "xlt", ignore=ignore)


def test_comments_docstrings_and_empty_lines_do_not_count():
    one = '''"""Doc."""\n# note\n\ndef f(x):  # why\n    """Text\n    # more."""\n    return x\n'''
    two = "def f(x):\n\n    return x  # another\n"
    assert code_of(one) == code_of(two) == "def f(x):\n    return x"


@pytest.mark.parametrize(
    "line",
    [
        'a = "x # y"',
        "a = b'#'",
        'a = f"{b} # c"',
        'a = """\n# text\n"""',
        'def f(): "doc"; return 1',
    ],
)
def test_what_is_no_comment_stays(line):
    assert code_of(line) == line


def test_code_of_keeps_the_meaning_of_every_module():
    for part in PARTS:
        for path in source_files(PACKAGE, part):
            compile(code_of(path.read_text()), str(path), "exec", dont_inherit=True)


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("encoder", "core/kinds/span.py"), ("encoder", "core/encode/windows.py"),
        ("encoder", "core/retrieval/mining.py"), ("encoder", "data/readers/tags.py"),
        ("encoder", "evalsuite/compute/predict.py"), ("scorer", "core/metrics/answers.py"),
    ],
)  # fmt: skip
def test_a_line_of_code_changes_the_hash_and_a_comment_does_not(package, part, name):
    path = package / name
    path.write_text(path.read_text() + "\n# a remark\n")
    assert sources._hash(package, part) == code_hash(part)
    path.write_text(path.read_text() + "\nMORE = 1\n")
    assert sources._hash(package, part) != code_hash(part)


def test_an_installation_without_sources_has_the_version(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "__version__", "1")
    one = sources._hash(tmp_path, "scorer")
    monkeypatch.setattr(sources, "__version__", "2")
    assert sources._hash(tmp_path, "scorer") != one


def test_every_entry_names_something_that_is_there():
    for entries in PARTS.values():
        for entry in entries:
            place = PACKAGE / entry.removeprefix("-")
            assert place.exists() or entry == "core/kinds", entry


def test_every_module_that_an_evaluation_loads_is_hashed_or_has_no_influence(
    bundles, root, tmp_path
):
    code = (
        "import sys\nfrom xlt.evalsuite import evaluate\n"
        "bundles, root, out = sys.argv[1:]\nevaluate(bundles, root, out=out)\n"
        "print(*[name for name in sys.modules if name.partition('.')[0] == 'xlt'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, (bundles, root, tmp_path / "r"))],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    hashed = set()
    for part in PARTS:
        for path in source_files(PACKAGE, part):
            parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
            hashed.add(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    left_out = {
        "xlt." + entry[1:].removesuffix(".py").replace("/", ".")
        for entries in PARTS.values()
        for entry in entries
        if entry.startswith("-")
    }
    unknown = [
        name
        for name in done.stdout.split()
        if name not in hashed | left_out | MODULES_WITHOUT and not name.startswith(ROOMS_WITHOUT)
    ]
    assert not unknown, f"add to PARTS in compute/sources.py, or to the lists here: {unknown}"
