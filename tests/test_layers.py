"""The layer check: who may import whom, and which third party lives in which file."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
STAGES = ("world", "train", "export", "evalsuite", "serve", "study")
STDLIB = set(sys.stdlib_module_names) | {"__future__"}
# What a folder may import besides the standard library, numpy, click and xlt's core.
FOLDERS = {
    "core": set(),
    "world": set(),
    "train": {"torch", "transformers", "accelerate", "safetensors", "peft", "yaml", "datasets",
              "tokenizers"},
    "export": {"torch", "transformers", "optimum", "onnx", "onnxruntime", "safetensors"},
    "evalsuite": set(),
    "serve": {"starlette", "uvicorn", "msgspec", "orjson", "prometheus_client"},
    "study": {"yaml"},
}  # fmt: skip
# Packages that are allowed in exactly these files.
FILES = {
    "tokenizers": {"core/encode.py"},
    "onnxruntime": {"core/session.py"},
    "datasets": {"core/hub.py"},
    "yaml": {"core/taskfile.py"},
    "rich": {"core/show.py"},
    "jinja2": {"core/page.py"},
    "faiss": {"evalsuite/ann.py"},
    "matplotlib": {"evalsuite/figures.py"},
    "opentelemetry": {"serve/tracing.py"},
}
RAY_FILES = {"evalsuite/ray_engine.py", "serve/ray_app.py", "study/ray_engine.py"}


def modules():
    for folder in FOLDERS:
        yield from sorted((ROOT / folder).rglob("*.py"))


def imports(path):
    """Every absolute import of a file, at any depth, as dotted names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            if node.module == "xlt":
                yield from (f"xlt.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", list(modules()), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_stay_inside_their_layer(path):
    name = str(path.relative_to(ROOT))
    folder = name.partition("/")[0]
    for module in imports(path):
        top, _, rest = module.partition(".")
        if top in STDLIB or top in {"numpy", "click"}:
            continue
        if top == "xlt":
            stage = rest.partition(".")[0]
            other = stage in STAGES and stage != folder
            assert not other, f"{name} imports {module}: stages never import each other"
        elif top == "ray":
            assert name in RAY_FILES, f"{name} imports ray"
        elif name in FILES.get(top, ()):
            continue
        else:
            assert top in FOLDERS[folder], f"{name} imports {top}, which its layer may not"


def test_core_names_stages_only_as_strings():
    for path in sorted((ROOT / "core").rglob("*.py")):
        for module in imports(path):
            parts = module.split(".")
            assert not (parts[0] == "xlt" and len(parts) > 1 and parts[1] in STAGES), path


def test_no_import_circles():
    graph = {}
    for path in modules():
        relative = path.relative_to(ROOT).with_suffix("")
        parts = ["xlt", *relative.parts] if relative.parts[0] != "core" else [
            "xlt", *relative.parts[1:]]  # fmt: skip
        name = ".".join(part for part in parts if part != "__init__")
        top_level = ast.parse(path.read_text()).body
        found = set()
        for node in top_level:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("xlt"):
                found.add(node.module)
                found.update(f"{node.module}.{alias.name}" for alias in node.names)
            elif isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names if alias.name.startswith("xlt"))
        graph[name] = found - {name}
    graph = {name: found & set(graph) for name, found in graph.items()}
    state = {}

    def visit(name, trail):
        if state.get(name) == "done":
            return
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        for other in sorted(graph[name]):
            visit(other, [*trail, name])
        state[name] = "done"

    for name in sorted(graph):
        visit(name, [])


@pytest.mark.parametrize("package", ["evalsuite", "serve"])
def test_light_stages_load_neither_torch_nor_transformers(package):
    names = [
        "xlt." + ".".join(p.relative_to(ROOT).with_suffix("").parts)
        for p in sorted((ROOT / package).rglob("*.py"))
        if str(p.relative_to(ROOT)) not in RAY_FILES | {"evalsuite/figures.py", "evalsuite/ann.py"}
    ]
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module(name.removesuffix('.__init__'))\n"
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
    long = {}
    for path in modules():
        lines = len(path.read_text().splitlines())
        if lines > 330:
            long[str(path.relative_to(ROOT))] = lines
    assert not long, long
