"""Errors that a user can act on: two lines (what is wrong, what to do next) and an exit code.

XltError               1  our bug when raised bare; every family below has its own code
├── UsageError         2  a flag, a name or a configuration; holds all mistakes at once
├── DataError          3  data missing, or not what they say they are
├── ModelError         4  model, bundle or device missing, damaged or of the wrong kind
├── CheckFailed        5  a gate the user asked for: parity, --min-score, --max-drop
├── MissingExtra       6  an optional package is not installed
├── PartlyDone         7  some cells failed, the rest is kept; running again continues
└── Interrupted      130  a step was stopped; what is finished is kept
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from types import TracebackType

from xlt.core.install import pip_line

__all__ = [
    "CheckFailed",
    "DataError",
    "Interrupted",
    "MissingExtra",
    "Mistakes",
    "ModelError",
    "PartlyDone",
    "UsageError",
    "XltError",
    "did_you_mean",
]


class XltError(Exception):
    """Base of all errors that the command line prints as `error:` and `hint:` lines.

    Args:
        message: names the value and the rule it breaks, without a final full stop.
        hint: the next step; a command where there is one.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.mistakes: tuple[str, ...] = (message,)

    def __reduce__(self) -> tuple[type[XltError], tuple[str, str]]:
        return type(self), (self.message, self.hint)


class UsageError(XltError):
    """A flag, a name or a configuration value breaks a rule."""

    exit_code = 2

    @classmethod
    def all_of(cls, mistakes: Sequence[str], hint: str = "") -> UsageError:
        """One error for several mistakes, so that a user can correct them in one go."""
        if len(mistakes) == 1:
            return cls(mistakes[0], hint)
        error = cls(f"{len(mistakes)} mistakes: " + "; ".join(mistakes), hint)
        error.mistakes = tuple(mistakes)
        return error


class DataError(XltError):
    """A data file is missing, truncated, of another format, or has labels outside the set."""

    exit_code = 3


class ModelError(XltError):
    """A model, bundle or device is missing, damaged, foreign, or of the wrong kind."""

    exit_code = 4


class CheckFailed(XltError):
    """A check that the user asked for did not hold (parity, --min-score, --max-drop)."""

    exit_code = 5


class MissingExtra(XltError):
    """An optional package is missing; `extra` names the line that installs it."""

    exit_code = 6

    def __init__(self, package: str, extra: str, purpose: str = "") -> None:
        self.package, self.extra, self.purpose = package, extra, purpose
        why = f" ({purpose})" if purpose else ""
        super().__init__(
            f"the package {package!r} is not installed{why}",
            pip_line(extra),
        )

    def __reduce__(self) -> tuple[type[XltError], tuple[str, str]]:
        return type(self), (self.package, self.extra, self.purpose)  # type: ignore[return-value]


class PartlyDone(XltError):
    """Some cells failed; everything else is finished and kept."""

    exit_code = 7


class Interrupted(XltError):
    """The user stopped the command; finished work is kept."""

    exit_code = 130


class Mistakes:
    """What several checks find wrong, told at once; each check is a `with` block of its own.

    A usage, data or model error inside a block is kept, any other passes.
    """

    def __init__(self) -> None:
        self.found: list[XltError] = []

    def __enter__(self) -> Mistakes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> bool:
        if isinstance(error, UsageError | DataError | ModelError):
            self.found.append(error)
            return True
        return False

    def tell(self) -> None:
        """Raise what was found: one error as it is, several as one.

        Raises:
            UsageError: several mistakes, a usage error among them.
            XltError: one mistake; several of data or models, as the first of them.
        """
        if not self.found:
            return
        first = next((e for e in self.found if isinstance(e, UsageError)), self.found[0])
        if len(self.found) == 1:
            raise first
        listed = list(dict.fromkeys(text for error in self.found for text in error.mistakes))
        told = type(first)(f"{len(listed)} mistakes: " + "; ".join(listed), first.hint)
        told.mistakes = tuple(listed)
        raise told from first


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`"; did you mean 'sw'?"` for the nearest known name, or an empty string."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""
