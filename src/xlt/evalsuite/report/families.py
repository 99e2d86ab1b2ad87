"""Means over groups of languages: family, branch, script, Indo-European or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xlt.core.tasks.languages import Language

__all__ = ["AXES", "group_means"]

AXES = ("family", "branch", "script", "indo_european")


def group_means(
    scores: Mapping[str, float], languages: Mapping[str, Language]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Plain means of a task's scores over each group of languages.

    Args:
        scores: language code -> percent.
        languages: the table that names each language's groups.

    Returns:
        axis -> group -> {"mean", "langs"}; the largest groups first, then by name.
    """
    means: dict[str, dict[str, dict[str, Any]]] = {}
    for axis in AXES:
        members: dict[str, list[str]] = {}
        for code in scores:
            name = _group(languages[code], axis)
            if name:
                members.setdefault(name, []).append(code)
        ordered = sorted(members.items(), key=lambda item: (-len(item[1]), item[0]))
        means[axis] = {
            name: {"mean": sum(scores[code] for code in codes) / len(codes), "langs": codes}
            for name, codes in ordered
        }
    return means


def _group(language: Language, axis: str) -> str:
    if axis == "indo_european":
        return "Indo-European" if language.indo_european else "other"
    return getattr(language, axis) or ""
