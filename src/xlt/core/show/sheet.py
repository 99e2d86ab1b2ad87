"""A table that can be written as plain text for people, Markdown, LaTeX, CSV or JSON.

Numbers stay whole in CSV and JSON; elsewhere they have one decimal, with a sign in columns of
differences.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["Sheet", "Value", "shown"]

Value = str | int | float | None
NOTHING = "–"
LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Rows under a header.

    Attributes:
        name: short, for anchors and keys.
        title: one line.
        header: the columns.
        rows: as long as the header.
        note: what the numbers are, and what they are not.
        signed: columns whose numbers are differences.
    """

    name: str
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Value]]
    note: str = ""
    signed: Sequence[str] = ()

    def texts(self) -> list[list[str]]:
        """The rows as they are read."""
        return [
            [
                shown(value, signed=column in self.signed)
                for column, value in zip(self.header, row, strict=True)
            ]
            for row in self.rows
        ]

    def filled(self) -> Sheet:
        """The same without columns that hold nothing in any row."""
        kept = [
            place
            for place in range(len(self.header))
            if not self.rows or any(row[place] not in (None, "") for row in self.rows)
        ]
        return replace(
            self,
            header=[self.header[place] for place in kept],
            rows=[[row[place] for place in kept] for row in self.rows],
        )

    def to_json(self) -> dict[str, Any]:
        """Title, note, and one object a row."""
        rows = [dict(zip(self.header, row, strict=True)) for row in self.rows]
        return {"title": self.title, "note": self.note, "rows": rows}

    def markdown(self) -> str:
        """A pipe table under a heading."""
        lines = [f"## {self.title}", ""]
        if self.note:
            lines += [self.note, ""]
        lines.append(_pipes(self.header))
        lines.append("|" + "|".join("---:" if n else "---" for n in self._numeric()) + "|")
        return "\n".join([*lines, *(_pipes(row) for row in self.texts())]) + "\n"

    def latex(self) -> str:
        """A table of booktabs; names in other scripts need XeLaTeX or LuaLaTeX."""
        columns = "".join("r" if numeric else "l" for numeric in self._numeric())
        rows = [" & ".join(map(_tex, row)) + r" \\" for row in self.texts()]
        return "\n".join(
            [
                r"\begin{table}",
                rf"\caption{{{_tex(self.title)}. {_tex(self.note)}}}".replace(". }", ".}"),
                rf"\begin{{tabular}}{{{columns}}}",
                r"\toprule",
                " & ".join(map(_tex, self.header)) + r" \\",
                r"\midrule",
                *rows,
                r"\bottomrule",
                r"\end{tabular}",
                r"\end{table}",
                "",
            ]
        )

    def csv(self) -> str:
        """Comma separated, numbers at full precision, an empty field where there is nothing."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(self.header)
        writer.writerows(["" if value is None else value for value in row] for row in self.rows)
        return stream.getvalue()

    def wordy(self) -> list[bool]:
        """Which columns are read as words, from their left edge; those of numbers are not."""
        texts = [
            [text for text in column if text not in {NOTHING, ""}]
            for column in zip(*self.texts(), strict=True)
        ] or [[] for _ in self.header]
        return [any(not text[-1].isdigit() for text in column) for column in texts]

    def _numeric(self) -> list[bool]:
        """Which columns hold numbers only, apart from gaps."""
        return [
            any(isinstance(v, int | float) for v in column)
            and not any(isinstance(v, str) for v in column)
            for column in zip(*self.rows, strict=True)
        ] or [False] * len(self.header)


def shown(value: Value, *, signed: bool = False) -> str:
    """A value as it is read: one decimal, a dash for nothing."""
    if value is None:
        return NOTHING
    if isinstance(value, float):
        return f"{value:+.1f}" if signed else f"{value:.1f}"
    return str(value)


def _pipes(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def _tex(text: str) -> str:
    return "".join(LATEX.get(character, character) for character in text).replace(NOTHING, "--")
