"""Whether the hub can be reached: asked once, for seconds, before its libraries ask for minutes.

Those try every file five times with growing pauses and write about each. Where the hub does not
answer they are told to use their cache alone, as `HF_HUB_OFFLINE=1` does.
"""

from __future__ import annotations

import http.client
import logging
import os
import ssl
import sys
import urllib.error
import urllib.request

__all__ = ["prepare_hub"]

ENDPOINT = "https://huggingface.co"
SECONDS = 5.0
# Flags that libraries read once, when they are imported.
FLAGS = (
    ("huggingface_hub.constants", "HF_HUB_OFFLINE"),
    ("transformers.utils.hub", "_is_offline_mode"),
    ("datasets.config", "HF_HUB_OFFLINE"),
)
NOBODY = frozenset({407, 502, 503, 504})  # a proxy answers in its place
TALKATIVE = ("huggingface_hub", "transformers", "datasets", "httpx2", "urllib3")
_turned_off = False


def prepare_hub(seconds: float = SECONDS) -> str:
    """Make the hub's libraries quiet, and fast where the hub cannot be reached.

    Args:
        seconds: how long to wait for it.

    Returns:
        Why it cannot be reached, to be named when the cache lacks something; "" when it can.
    """
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if os.environ.get("HF_HUB_OFFLINE", "0").lower() in {"1", "true", "yes", "on"}:
        if not _turned_off:
            return "HF_HUB_OFFLINE is set"
        _set_offline(False)
    endpoint = os.environ.get("HF_ENDPOINT") or ENDPOINT
    why = _problem(endpoint, seconds)
    if why:
        _set_offline(True)
        return f"{endpoint} cannot be reached: {why}"
    return ""


def _problem(endpoint: str, seconds: float) -> str:
    """Why a server does not answer; any answer at all is one."""
    try:
        request = urllib.request.Request(endpoint, method="HEAD")
        with urllib.request.urlopen(request, timeout=seconds):
            return ""
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.reason}" if error.code in NOBODY else ""
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLError):  # the libraries may know other certificates
            return ""
        return str(getattr(error.reason, "strerror", None) or error.reason)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return str(error) or type(error).__name__


def _set_offline(off: bool) -> None:
    global _turned_off
    _turned_off = off
    if off:
        os.environ["HF_HUB_OFFLINE"] = "1"
    else:
        os.environ.pop("HF_HUB_OFFLINE", None)
    for module, name in FLAGS:
        if module in sys.modules:
            setattr(sys.modules[module], name, off)
