"""Print the rooms of `xlt` in layers, from the imports that grimp finds.

`python docs/rooms.py` prints the block that stands in docs/design.md; `--write` puts it there.
A room stands one layer above the highest that it imports; a module that lies directly in a
top room (`train.run`) is drawn by itself. A test holds the page to this.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from graphlib import TopologicalSorter
from pathlib import Path

import grimp

PAGE = Path(__file__).with_name("design.md")
BEGIN, END = "<!-- rooms: begin -->\n", "<!-- rooms: end -->\n"


def room_of(module: str, packages: set[str]) -> str:
    """The folder of a module; one that lies directly in a top room stands for itself."""
    parent = module.rpartition(".")[0]
    return module if module in packages or parent.count(".") < 2 else parent


def import_graph() -> dict[str, set[str]]:
    """Module -> modules that it imports, everywhere in their files."""
    graph = grimp.build_graph("xlt")
    return {name: set(graph.find_modules_directly_imported_by(name)) for name in graph.modules}


def room_graph(modules: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Room or single module -> the ones that it imports."""
    packages = {name.rpartition(".")[0] for name in modules if "." in name}
    rooms: dict[str, set[str]] = {}
    for name, others in modules.items():
        room = room_of(name, packages)
        rooms.setdefault(room, set()).update(room_of(other, packages) for other in others)
    return {room: others - {room} for room, others in rooms.items()}


def entries(modules: Mapping[str, set[str]], top: str) -> dict[str, set[str]]:
    """File or folder directly inside a room -> the others in it that it imports."""

    def entry(name: str) -> str:
        return ".".join(name.split(".")[:3]) if name.startswith(f"{top}.") else ""

    found: dict[str, set[str]] = {}
    for name, others in modules.items():
        found.setdefault(entry(name), set()).update(map(entry, others))
    return {name: others - {name, ""} for name, others in found.items() if name}


def levels(graph: Mapping[str, set[str]]) -> dict[str, int]:
    """Name -> 1 when it imports nothing, else one more than the highest that it imports.

    Raises:
        graphlib.CycleError: the graph has a circle.
    """
    found: dict[str, int] = {}
    for name in TopologicalSorter(graph).static_order():
        found[name] = 1 + max((found[other] for other in graph[name]), default=0)
    return found


def drawing() -> str:
    """The block for docs/design.md."""
    modules = import_graph()
    lines = ["| room | files and folders | levels |", "|---|---:|---:|"]
    for top in sorted({".".join(name.split(".")[:2]) for name in modules if "." in name}):
        inside = entries(modules, top)
        count = sum(name == top or name.startswith(f"{top}.") for name in modules)
        if count > 1:
            row = f"{top.removeprefix('xlt.')} | {len(inside)}"
            lines.append(f"| {row} | {max(levels(inside).values())} |")
    levels(modules)  # raises where modules import each other
    rooms = levels(room_graph(modules))
    lines += ["", "No module is part of a circle. Rooms, top first:", ""]
    lines += ["```"]
    for level in sorted(set(rooms.values()), reverse=True):
        names = sorted(room for room, found in rooms.items() if found == level)
        lines.append(f"{level:>2}  " + "  ".join(name.removeprefix("xlt.") for name in names))
    lines.append("```")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the block, or write it into the page."""
    text = drawing()
    if "--write" not in sys.argv:
        sys.stdout.write(text)
        return
    page = PAGE.read_text("utf-8")
    PAGE.write_text(
        re.sub(f"{BEGIN}.*?{END}", lambda _: BEGIN + text + END, page, flags=re.S), "utf-8"
    )


if __name__ == "__main__":
    main()
