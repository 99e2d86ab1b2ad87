"""A study's report: its answer in a page, in Markdown, as one long table, or as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from xlt.core.errors import UsageError
from xlt.core.show.page import render
from xlt.core.show.sheet import Sheet
from xlt.study.answer.answer import Answer, answer
from xlt.study.answer.folder import open_folder
from xlt.study.answer.table import long_table
from xlt.study.report.compared import arm_sheet, target_sheet
from xlt.study.report.drawings import (
    axis_curves,
    first_figure,
    group_figures,
    language_maps,
    transfer_map,
)
from xlt.study.report.forgetting import forgetting_sheet
from xlt.study.report.secondary import secondary_sheet
from xlt.study.report.sheets import (
    choice_sheet,
    cost_sheet,
    finding_sheet,
    matrix_sheet,
    pick_sheet,
    provenance_sheet,
    published_sheet,
    score_sheet,
)

__all__ = ["FORMATS", "StudyReport", "build_report", "check_out"]

FORMATS = ("html", "markdown", "csv", "json")
TEMPLATE = Path(__file__).with_name("report.html")
MOST_NAMED = 40
STANDING = {
    "headline": "Headline: the estimand was fixed before the run, and there are enough seeds.",
    "exploratory": "Exploratory: read it as a reason to look again, not as a result.",
    "one seed": "One seed: the whole path is shown, nothing is concluded.",
}


@dataclass(frozen=True, kw_only=True)
class StudyReport:
    """A study's answer, before it has a form."""

    answer: Answer

    def sheets(self) -> list[Sheet]:
        """The tables, in the order of the page."""
        choices, secondary = choice_sheet(self.answer), secondary_sheet(self.answer)
        forgotten = self.forgetting()
        return [
            *([secondary] if secondary else []),
            arm_sheet(self.answer),
            target_sheet(self.answer),
            matrix_sheet(self.answer),
            score_sheet(self.answer),
            *([choices] if choices else []),
            *([forgotten] if forgotten else []),
            cost_sheet(self.answer),
            pick_sheet(self.answer),
            finding_sheet(self.answer),
            published_sheet(self.answer),
            provenance_sheet(self.answer),
        ]

    def table(self) -> Sheet:
        """The long table."""
        return long_table(self.answer.folder, self.answer.scores)

    def forgetting(self) -> Sheet | None:
        """What later phases cost the earlier tasks, where the study measured it."""
        return forgetting_sheet(self.answer)

    def text(self, form: str) -> str:
        """The report in one of `FORMATS`.

        Raises:
            MissingExtra: jinja2 is not installed, for html.
        """
        if form == "csv":
            return self.table().csv()
        if form == "json":
            value = self.answer.to_json()
            value["tables"] = {sheet.name: sheet.to_json() for sheet in self.sheets()}
            return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        if form == "markdown":
            return self.markdown()
        return self.html()

    def markdown(self) -> str:
        """The answer, then the tables."""
        found = self.answer
        lines = [f"# {found.folder.question or found.folder.name}", "", found.sentence, ""]
        lines += [f"- {line}" for line in self._notes()]
        missing = found.folder.missing
        more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        if missing:
            lines.append(f"- not finished: {', '.join(missing[:MOST_NAMED])}{more}")
        return "\n".join(
            [*lines, "", *(sheet.filled().markdown() for sheet in self.sheets() if sheet.rows)]
        )

    def html(self) -> str:
        """The page: one file, no network."""
        found = self.answer
        return render(
            TEMPLATE,
            {
                "name": found.folder.name,
                "question": found.folder.question or found.folder.name,
                "sentence": found.sentence,
                "standing": [STANDING[name] for name in dict.fromkeys(
                    one.standing for one in found.primary)],
                "notes": self._notes(),
                "first": first_figure(found),
                "transfer": transfer_map(found),
                "languages": language_maps(found),
                "groups": group_figures(found),
                "curves": axis_curves(found),
                "sheets": {sheet.name: sheet.filled() for sheet in self.sheets()},
                "missing": found.folder.missing[:MOST_NAMED],
                "more_missing": max(0, len(found.folder.missing) - MOST_NAMED),
            },
        )  # fmt: skip

    def _notes(self) -> list[str]:
        """What must be read beside the answer."""
        found = self.answer
        notes = list(found.problems)
        # what the other kinds note stands in the sentence or below the figure
        notes += [one.note for one in found.primary if one.note and one.kind == "best_of"]
        constructed = [one for one in found.scores.languages.values() if one.get("constructed")]
        if constructed:
            notes.append(
                "The languages are constructed: nothing here is a claim about natural languages."
            )
        return list(dict.fromkeys(notes))


def build_report(out: Path, store: Path | None = None) -> StudyReport:
    """Read a study and answer it. Nothing is written.

    Raises:
        DataError: there is no plan, or results are damaged.
    """
    return StudyReport(answer=answer(open_folder(out, store)))


def check_out(file: Path) -> None:
    """Refuse a folder as the report's file.

    Raises:
        UsageError: it is one.
    """
    if file.is_dir():
        raise UsageError(f"--out {file} is a folder", "name a file, such as report.html")
