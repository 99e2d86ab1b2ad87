"""`xlt push` as a function: the files of a bundle's manifest go to a repository of the hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xlt.core.artifacts.bundle import MANIFEST, Bundle, find_bundles
from xlt.core.artifacts.hub import prepare_hub
from xlt.core.errors import ModelError, UsageError
from xlt.core.extras import needs
from xlt.core.show.terminal import note

__all__ = ["Pushed", "push"]

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
NETWORK = {"httpx", "httpx2", "httpcore", "requests", "urllib3"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What was or would be uploaded. `url`: of the commit; None for a dry run."""

    repository: str
    files: tuple[str, ...]
    url: str | None = None


def push(
    bundle: Path | str,
    hub_id: str,
    *,
    private: bool = False,
    message: str | None = None,
    dry_run: bool = False,
) -> Pushed:
    """Upload a bundle.

    Args:
        bundle: a bundle, or a run or folder with a single one.
        hub_id: ORG/NAME; made when it does not exist.
        private: whether a repository that is made here is private.
        message: of the commit.
        dry_run: say what would be uploaded and stop.

    Raises:
        UsageError: not a repository's name, several bundles, or the hub wants another token.
        ModelError: a damaged bundle, or the hub cannot be reached.
        MissingExtra: huggingface_hub is not installed.
    """
    hub_id = hub_id.removeprefix("hf:")
    if not HUB_ID.fullmatch(hub_id) or "--" in hub_id or ".." in hub_id:
        raise UsageError(f"{hub_id}: not a repository of the hub", "write it as ORG/NAME")
    found = find_bundles(bundle)
    if len(found) > 1:
        raise UsageError(
            f"{bundle}: holds {len(found)} bundles: {', '.join(p.name for p in found)}",
            f"push one of them, for example {found[0]}",
        )
    manifest = Bundle.open(found[0], precision=_precision(found[0]), verify=True).manifest
    files = (*sorted(manifest["files"]), MANIFEST)
    carried = manifest.get("examples")
    if carried and not carried.get("constructed"):
        note(f"{found[0]} carries {len(carried['items'])} dev items, which everyone will see")
    if dry_run:
        return Pushed(repository=hub_id, files=files)
    message = message or f"{manifest['name']}: an ONNX bundle of xlt"
    return Pushed(
        repository=hub_id,
        files=files,
        url=_upload(found[0], hub_id, files, private=private, message=message),
    )


def _precision(folder: Path) -> str:
    """A variant that the bundle has: all files are checked whichever it is."""
    from xlt.core.files import read_json

    manifest = read_json(folder / MANIFEST, ModelError)
    variants = manifest.get("variants") if isinstance(manifest, dict) else None
    return next(iter(variants), "fp32") if isinstance(variants, dict) else "fp32"


def _upload(
    folder: Path, hub_id: str, files: tuple[str, ...], *, private: bool, message: str
) -> str:
    """Make the repository where it is missing, and one commit with all files."""
    offline = prepare_hub()
    if offline:
        raise ModelError(f"{hub_id}: nothing can be uploaded, {offline}", "check the connection")
    with needs("export", "uploading to the hub"):
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError
    api = HfApi()
    try:
        api.create_repo(hub_id, private=private, exist_ok=True)
        done = api.upload_folder(
            repo_id=hub_id,
            folder_path=str(folder),
            allow_patterns=list(files),
            commit_message=message,
        )
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", 0)
        if status in (401, 403):
            raise UsageError(
                f"{hub_id}: the hub refuses ({status}): {_line(error)}",
                "log in with a token that may write: hf auth login (or set HF_TOKEN)",
            ) from error
        raise ModelError(f"{hub_id}: the hub refuses: {_line(error)}", "try again later") from error
    except Exception as error:  # of whichever HTTP library the installed version uses
        if not isinstance(error, OSError) and type(error).__module__.split(".")[0] not in NETWORK:
            raise
        raise ModelError(
            f"{hub_id}: the upload broke off ({_line(error)})", "the same command tries again"
        ) from error
    return str(done.commit_url)


def _line(error: Any) -> str:
    return " ".join(str(error).split())[:200]
