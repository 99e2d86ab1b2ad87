"""Loading a model while the server runs, for every protocol that can ask for it."""

from __future__ import annotations

from pathlib import Path

from xlt.core.errors import XltError
from xlt.serve.compute.served import Served
from xlt.serve.compute.sources import NAME, Source
from xlt.serve.errors import Problem
from xlt.serve.request.state import State

__all__ = ["load_model"]


async def load_model(
    state: State, name: str, *, bundle: str | None = None, precision: str | None = None
) -> Served:
    """Load from the repository, or again from where the model of that name came from.

    Raises:
        Problem: 400 for a bad name, 404 for an unknown bundle, 422 for one that does not load; what
            was served before is served still.
    """
    for field, value in (("name", name), ("bundle", bundle)):
        if value is not None and not NAME.fullmatch(value):
            raise Problem(
                400,
                "invalid_field",
                f"{field} {value[:100]!r}: letters, digits, '.', '_' and '-' only",
                field,
            )
    path, known = _place(state, name, bundle)
    source = Source(name=name, path=path, precision=precision or known)
    try:
        return await state.load(source, vet=True)
    except XltError as error:
        raise Problem(422, "bad_model", f"{error.message}; {error.hint}", "bundle") from None


def _place(state: State, name: str, bundle: str | None) -> tuple[Path, str]:
    """The folder to load from, and the precision it had."""
    present = state.models.table.get(name)
    if bundle is None and present is not None:
        return present.source.path, present.source.precision
    repository = state.settings.repository
    if repository is None:
        raise Problem(
            404,
            "no_repository",
            f"{name!r} is not loaded, and the server has no --repository to load it from",
            "name",
        )
    folder = repository / (bundle or name)
    if not folder.resolve().is_relative_to(repository.resolve()) or not folder.is_dir():
        raise Problem(
            404, "bundle_not_found", f"no bundle {bundle or name!r} in the repository", "bundle"
        )
    return folder, present.source.precision if present is not None else "fp32"
