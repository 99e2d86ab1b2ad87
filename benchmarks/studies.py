"""Write what finished studies show into docs/studies.md and docs/questions.md.

    python benchmarks/studies.py OUT... [--docs docs] [--store DIR]

Each OUT is a folder of `xlt study run`. What stands between the markers of a study and scale is
replaced, nothing else is touched; a study that has no place in the pages is an error. Studies that
did not run keep "not run yet".
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from xlt.core.errors import XltError
from xlt.core.files import write_atomic
from xlt.study.report.build import build_report

PAGES = ("studies.md", "questions.md")
TABLES = ("arms", "transfer", "scores", "picks", "forgetting", "cost")
MOST_ROWS = 40


def marked(name, scale, part):
    """The pattern of a place: <!-- sentence families demo --> ... <!-- end -->."""
    label = re.escape(f"<!-- {part} {name} {scale} -->")
    return re.compile(f"({label}).*?(<!-- end -->)", re.DOTALL)


def fill(text, name, scale, part, body):
    """The page with the place filled, and whether it has that place."""
    pattern = marked(name, scale, part)
    return pattern.sub(lambda m: m[1] + body + m[2], text), bool(pattern.search(text))


def sentence_of(report):
    """The answer, and how much of the study it rests on."""
    folder = report.answer.folder
    missing = len(folder.missing)
    more = f" ({missing} of {len(folder.cells)} cells missing)" if missing else ""
    return report.answer.sentence + more


def tables_of(report):
    """The tables of a study, with smaller headings."""
    parts = []
    for sheet in report.sheets():
        alone = sheet.name == "picks" and len({row[2] for row in sheet.rows}) < 2
        if sheet.name in TABLES and sheet.rows and not alone:
            lines = sheet.filled().markdown().replace("## ", "#### ", 1).splitlines()
            head = next(n for n, line in enumerate(lines) if line.startswith("|--")) + 1
            rows = lines[head:]
            parts.append("\n".join([*lines[:head], *rows[:MOST_ROWS]]))
            if len(rows) > MOST_ROWS:
                parts.append(f"and {len(rows) - MOST_ROWS} more rows: `xlt study report`.")
    return "\n\n".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", nargs="+", type=Path)
    parser.add_argument("--docs", type=Path, default=Path(__file__).parents[1] / "docs")
    parser.add_argument("--store", type=Path)
    arguments = parser.parse_args()
    pages = {name: (arguments.docs / name).read_text() for name in PAGES}
    for out in arguments.out:
        report = build_report(out, arguments.store)
        plan = report.answer.folder.plan
        name, scale = str(plan.get("name")), str(plan.get("scale", "full"))
        bodies = {"sentence": sentence_of(report), "tables": "\n" + tables_of(report) + "\n"}
        placed = False
        for page in pages:
            for part, body in bodies.items():
                pages[page], found = fill(pages[page], name, scale, part, body)
                placed |= found
        if not placed:
            raise XltError(f"{out}: the pages have no place for {name} at scale {scale}")
        print(f"{name} ({scale}): {bodies['sentence']}")
    for name, text in pages.items():
        write_atomic(arguments.docs / name, text)


if __name__ == "__main__":
    try:
        main()
    except XltError as error:
        sys.exit(f"error: {error.message}\nhint: {error.hint}")
