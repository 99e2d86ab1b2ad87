"""The map of the rooms: what docs/design.md draws is what the code is."""

import importlib.util
import re
from graphlib import CycleError
from pathlib import Path

import pytest

pytest.importorskip("grimp")  # the light environment has no tools for developers

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "xlt"


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


rooms = load(ROOT / "docs" / "rooms.py")
layers = load(ROOT / "tests" / "test_layers.py")


@pytest.fixture(scope="module")
def graph():
    return rooms.import_graph()


def test_the_page_shows_the_rooms_as_they_are():
    page = rooms.PAGE.read_text("utf-8")
    drawn = page.partition(rooms.BEGIN)[2].partition(rooms.END)[0]
    assert drawn == rooms.drawing(), "run: python docs/rooms.py --write"


def test_two_readers_of_imports_agree(graph):
    ours = layers.import_graph(layers.SOURCE)
    assert set(graph) == set(ours)
    for name, others in graph.items():
        # a package that is imported by its whole name alone: grimp counts both halves
        assert others == ours[name], name


def test_no_circle_and_few_levels(graph):
    rooms.levels(graph)
    assert max(rooms.levels(rooms.entries(graph, "xlt.serve")).values()) <= 8
    assert max(rooms.levels(rooms.entries(graph, "xlt.train")).values()) <= 8


def test_a_planted_circle_is_no_drawing(graph):
    planted = {name: set(others) for name, others in graph.items()}
    planted["xlt.core.errors"].add("xlt.serve.command")
    with pytest.raises(CycleError):
        rooms.levels(planted)


def stands_for_something(path):
    """Whether a dotted name is a room, a module, or what a room or a module offers."""
    here = path.is_dir() or path.with_suffix(".py").is_file()
    init = path.parent / "__init__.py"
    offered = init.is_file() and f'"{path.name}"' in init.read_text()
    return here or offered or path.parent.with_suffix(".py").is_file()


PAGES = ["README.md", "CONTRIBUTING.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES)
def test_paths_and_modules_that_a_page_names_exist(page):
    text = (ROOT / page).read_text("utf-8")
    tops = "core|data|client|cli|world|train|export|evalsuite|serve|study"
    for name in re.findall(rf"`((?:{tops})/[\w/]*(?:\.\w+)?)`", text):
        assert (PACKAGE / name).exists(), name
    for name in re.findall(r"\b((?:src/xlt|tests|benchmarks|docs)/[\w./-]*[\w/])", text):
        assert (ROOT / name).exists() or "/build/" in name, name
    for name in re.findall(rf"\bxlt\.((?:{tops})(?:\.[a-z_]+)+)\b", text):
        assert stands_for_something(PACKAGE.joinpath(*name.split("."))), name
