"""The layer check: who may import whom, and which third party lives in which file.

Every import is read: at the top of a module, inside functions, and under TYPE_CHECKING.
"""

import ast
import functools
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
PACKAGE = SOURCE / "xlt"
STAGES = ("world", "train", "export", "evalsuite", "serve", "study")
STDLIB = set(sys.stdlib_module_names) | {"__future__"}
MOST_ENTRIES = 13  # of a room; dunder files, the version and data files do not count

# room -> rooms that it may import. A name stands for the modules of that folder alone; a name
# that ends in ".*" for the folders inside it as well. "xlt" is the public face and the version.
GROUND = {"core", "core.*"}
HANDLERS = {*GROUND, "serve", "serve.compute", "serve.http", "serve.request", "xlt"}
ROOMS = {
    "xlt": {"*"},
    "core": set(),
    "core.tasks": {"core"},
    "core.artifacts": {"core", "core.tasks", "core.kinds", "core.show"},
    "core.encode": {"core", "core.tasks"},
    "core.kinds": {"core", "core.tasks", "core.encode", "core.retrieval"},
    "core.metrics": {"core", "core.tasks", "core.kinds"},
    "core.retrieval": {"core"},
    "core.show": {"core"},
    "core.stats": {"core"},
    "core.inference": {"core", "core.tasks", "core.encode", "core.kinds", "core.retrieval",
                       "core.metrics", "core.artifacts", "core.show"},
    "data": {*GROUND, "data.readers"},
    "data.readers": {*GROUND, "data"},
    "data.shipped": set(),
    "data.hub": {*GROUND, "data", "data.readers"},
    "client": {"core", "xlt"},
    "cli": {*GROUND, "data", "data.*", "xlt"},
    "world": {*GROUND, "cli", "world.*"},
    "world.language": {*GROUND, "world"},
    "world.tasks": {*GROUND, "world", "world.language"},
    "world.files": {*GROUND, "world", "world.language", "world.tasks"},
    "train": {*GROUND, "data", "cli", "xlt", "train.plan", "train.loop", "train.pretrain",
              "train.finetune"},
    "train.plan": {*GROUND, "data", "train"},
    "train.recipes": set(),
    "train.loop": {"core", "core.artifacts", "core.encode", "core.inference", "core.show", "train"},
    "train.pretrain": {"core", "core.encode", "data", "train", "train.plan", "train.loop"},
    "train.finetune": {*GROUND, "train", "train.plan", "train.loop", "train.pretrain"},
    "export": {*GROUND, "data", "cli", "export.*"},
    "export.checkpoint": GROUND,
    "export.graph": {*GROUND, "export.checkpoint"},
    "export.graph.int8": {"core", "core.inference", "export.graph"},
    "export.variants": {
        *GROUND, "data", "export.checkpoint", "export.gate", "export.graph", "export.graph.int8",
    },
    "export.gate": {*GROUND, "data", "export.checkpoint"},
    "export.hub": {*GROUND, "cli"},
    "export.vectors": {*GROUND, "data", "export", "export.checkpoint"},
    "export.files": {*GROUND, "data", "export", "export.checkpoint", "export.gate",
                     "export.variants"},
    "evalsuite": {*GROUND, "data", "cli", "evalsuite.*"},
    "evalsuite.plan": {*GROUND, "data"},
    "evalsuite.compute": {*GROUND, "data", "evalsuite.plan", "xlt"},
    "evalsuite.workers": {*GROUND, "evalsuite.plan", "evalsuite.compute"},
    "evalsuite.mine": {*GROUND, "evalsuite.compute"},
    "evalsuite.report": {*GROUND, "evalsuite.plan", "evalsuite.compute"},
    "evalsuite.report.page": {*GROUND, "data", "evalsuite.compute", "evalsuite.report"},
    "serve": {*GROUND, "cli", "serve.*"},
    "serve.compute": {*GROUND, "serve", "xlt"},
    "serve.http": {*GROUND, "serve"},
    "serve.request": {*GROUND, "serve", "serve.compute", "serve.http"},
    "serve.routes.cohere": HANDLERS,
    "serve.routes.native": HANDLERS,
    "serve.routes.openai": HANDLERS,
    "serve.routes.tei": HANDLERS,
    "serve.routes.kserve": HANDLERS,
    "serve.routes": {*HANDLERS, "serve.routes.*"},
    "serve.app": {*HANDLERS, "serve.routes"},
    "study": {*GROUND, "cli", "study.*"},
    "study.demo": {*GROUND, "cli", "study", "study.*"},
    "study.answer": {*GROUND, "data"},
    "study.report": {*GROUND, "data", "cli", "study.answer"},
    "study.file": {*GROUND, "study"},
    "study.plan": {*GROUND, "data", "study", "study.file"},
    "study.engine": {*GROUND, "study", "study.plan"},
    "study.shipped": set(),
}  # fmt: skip

# What a top-level room may import besides the standard library, numpy, click and xlt.
PACKAGES = {
    "train": {
        "torch",
        "transformers",
        "safetensors",
        "yaml",
        "datasets",
        "tokenizers",
        "accelerate",
    },
    "export": {"torch", "transformers", "optimum", "onnx", "onnxruntime", "safetensors"},
    "serve": {"starlette", "uvicorn", "httptools", "msgspec", "orjson", "prometheus_client"},
    "study": {"yaml"},
}
# Packages that are allowed in exactly these files.
FILES = {
    "tokenizers": {"core/encode/encoder.py"},
    "rich": {"study/engine/view.py"},
    "onnxruntime": {"core/inference/session.py"},
    "datasets": {"data/hub/fetch.py"},
    "huggingface_hub": {"export/hub/push.py", "train/plan/disk.py"},
    "yaml": {"data/taskfile.py"},
    "jinja2": {"core/show/page.py"},
    "fsspec": {"study/engine/mirror.py"},
    "faiss": {"evalsuite/mine/ann.py"},
    "opentelemetry": {"serve/app/tracing.py"},
}
RAY_FILES = {"core/inference/cluster.py", "serve/ray_app.py"}


def module_of(path, source):
    parts = path.relative_to(source).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(path, source):
    return ".".join(path.relative_to(source).parts[1:-1]) or "xlt"


def modules(source=SOURCE):
    return {module_of(path, source): path for path in sorted((source / "xlt").rglob("*.py"))}


def imports(path):
    """Every absolute import of a file, at any depth, as (module, imported name or None)."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, None
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                yield node.module, alias.name


def import_graph(source):
    """module -> modules of the package that it imports."""
    known = modules(source)
    graph = {}
    for name, path in known.items():
        found = set()
        for module, imported in imports(path):
            whole = f"{module}.{imported}"
            found.add(whole if whole in known else module)
        graph[name] = (found & set(known)) - {name}
    return graph


@functools.cache
def package_graph():
    """The graph of the package, read once."""
    return import_graph(SOURCE)


def find_circle(graph):
    """A circle as a list of modules that starts and ends with the same one; None without one."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return list(reversed(error.args[1]))
    return None


def allows(room, other):
    return room == other or any(
        rule in ("*", other) or (rule.endswith(".*") and other.startswith(rule[:-1]))
        for rule in ROOMS[room]
    )


def test_every_room_is_in_the_list():
    found = {room_of(path, SOURCE) for path in modules().values()}
    assert found == set(ROOMS)


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_imports_only_the_rooms_it_may(room):
    known, graph = modules(), package_graph()
    for name, path in known.items():
        if room_of(path, SOURCE) != room:
            continue
        for other in graph[name]:
            target = room_of(known[other], SOURCE)
            assert allows(room, target), f"{name} imports {other}: {room} may not use {target}"


def test_stages_never_import_each_other_and_the_ground_floor_no_stage():
    for room, rules in ROOMS.items():
        top = room.partition(".")[0]
        for rule in rules - {"*"}:
            other = rule.partition(".")[0]
            assert other == top or other not in STAGES or top == "xlt", (room, rule)
            assert top != "core" or other == "core", (room, rule)
            assert top != "data" or other in {"core", "data"}, (room, rule)


@pytest.mark.parametrize("name", sorted(modules()))
def test_third_parties_stay_in_their_room(name):
    path = modules()[name]
    inside = str(path.relative_to(PACKAGE))
    for module, _ in imports(path):
        top = module.partition(".")[0]
        if top in STDLIB or top in {"numpy", "click", "xlt"}:
            continue
        if top == "ray":
            assert inside in RAY_FILES, f"{inside} imports ray"
        elif inside not in FILES.get(top, ()):
            allowed = PACKAGES.get(inside.partition("/")[0], set())
            assert top in allowed, f"{inside} imports {top}, which its room may not"


def test_no_import_circles():
    assert find_circle(package_graph()) is None


def entry_graph(folder):
    """The arrows between the entries of a folder; a room counts as one entry."""
    inside = "xlt." + ".".join(folder.relative_to(PACKAGE).parts) + "."
    graph = {}
    for name, others in package_graph().items():
        if name.startswith(inside):
            entry = name.removeprefix(inside).partition(".")[0]
            found = {o.removeprefix(inside).partition(".")[0] for o in others if inside in f"{o}."}
            graph[entry] = graph.get(entry, set()) | found - {entry}
    return graph


def levels_of(graph):
    """Entries by level: each imports entries of lower levels only."""
    assert find_circle(graph) is None, find_circle(graph)
    sorter, levels = graphlib.TopologicalSorter(graph), []
    sorter.prepare()
    while sorter.is_active():
        levels.append(sorted(sorter.get_ready()))
        sorter.done(*levels[-1])
    return levels


@pytest.mark.parametrize(
    "folder", [path for path in (PACKAGE / "serve").rglob("*") if (path / "__init__.py").exists()]
)
def test_every_room_of_serve_has_few_levels_and_no_arrow_up(folder):
    assert len(levels_of(entry_graph(folder))) <= 8


def test_serve_has_few_levels_and_no_arrow_up():
    levels = levels_of(entry_graph(PACKAGE / "serve"))
    assert len(levels) <= 8, levels
    rank = {entry: level for level, entries in enumerate(levels) for entry in entries}
    assert max(rank["compute"], rank["http"]) < rank["request"] < rank["routes"] < rank["app"]
    assert rank["app"] < rank["command"]


@pytest.mark.parametrize(
    "second",
    [
        "import xlt.one\n",
        "from xlt import one\n",
        "def late():\n    from xlt.one import name\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from xlt.one import name\n",
    ],
)
def test_a_planted_circle_is_found(tmp_path, second):
    (tmp_path / "xlt").mkdir()
    (tmp_path / "xlt" / "__init__.py").write_text("")
    (tmp_path / "xlt" / "one.py").write_text("import xlt.two\nname = 1\n")
    (tmp_path / "xlt" / "two.py").write_text(second)
    assert set(find_circle(import_graph(tmp_path))) == {"xlt.one", "xlt.two"}
    (tmp_path / "xlt" / "two.py").write_text("import json\n")
    assert find_circle(import_graph(tmp_path)) is None


def test_rooms_are_small():
    counted = {}
    for folder in (PACKAGE, *(path for path in PACKAGE.rglob("*") if path.is_dir())):
        entries = [
            path
            for path in folder.iterdir()
            if (path.suffix == ".py" and not path.name.startswith("_"))
            or (path.is_dir() and path.name != "__pycache__")
        ]
        if len(entries) > MOST_ENTRIES:
            counted[str(folder.relative_to(PACKAGE))] = len(entries)
    assert not counted, counted


def test_every_room_says_what_it_is_for():
    for path in PACKAGE.rglob("__init__.py"):
        text = ast.get_docstring(ast.parse(path.read_text()))
        assert text, path


@pytest.mark.parametrize("package", ["evalsuite", "serve"])
def test_light_stages_load_neither_torch_nor_transformers(package):
    names = [
        name
        for name, path in modules().items()
        if name.startswith(f"xlt.{package}")
        and str(path.relative_to(PACKAGE)) not in RAY_FILES | FILES["faiss"]
    ]
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "heavy = {'torch', 'transformers', 'datasets', 'optimum'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_help_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from xlt.cli.main import xlt\n"
        "assert CliRunner().invoke(xlt, ['--help']).exit_code == 0\n"
        "heavy = {'torch', 'transformers', 'numpy', 'onnxruntime', 'tokenizers', 'datasets',"
        " 'rich', 'starlette'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_second_copy_of_a_stage_is_loaded():
    assert not {"core", *STAGES} & set(sys.modules)


def test_files_stay_readable_in_one_sitting():
    lines = {name: len(path.read_text().splitlines()) for name, path in modules().items()}
    assert not {name: count for name, count in lines.items() if count > 330}
