"""Keys and TLS files that are read again while the server runs (SIGHUP)."""

from __future__ import annotations

import logging
import ssl

import uvicorn

from xlt.core.errors import UsageError
from xlt.serve.auth import read_keys
from xlt.serve.settings import Settings

__all__ = ["Reload"]

log = logging.getLogger("xlt.serve")


class Reload:
    """Reads the files again; what cannot be read leaves what was there, with a line in the log.

    Args:
        settings: hold the keys, and where they came from.
        config: uvicorn's, with the TLS files.
    """

    def __init__(self, settings: Settings, config: uvicorn.Config) -> None:
        self.settings, self.config = settings, config

    @property
    def has_files(self) -> bool:
        """Whether there is anything to read again."""
        settings = self.settings
        return any((settings.key_file, settings.admin_key_file, self.config.ssl_certfile))

    def __call__(self) -> None:
        """Read all of them; connections that are open go on as they are."""
        settings, done, kept = self.settings, [], []
        for name, keys, path, variable in (
            ("keys", settings.keys, settings.key_file, "XLT_API_KEYS"),
            ("admin keys", settings.admin_keys, settings.admin_key_file, "XLT_ADMIN_KEYS"),
        ):
            if path is None:
                continue
            try:
                keys.replace(read_keys(path, variable))
                done.append(name)
            except UsageError as error:
                kept.append(f"{name}: {error.message}")
        if self.config.ssl is not None:
            try:
                self._load_certificate()
                done.append("certificate")
            except (OSError, ssl.SSLError) as error:
                kept.append(f"certificate: {error.strerror or type(error).__name__}")
        log.log(
            logging.WARNING if kept else logging.INFO,
            "files read again",
            extra={"fields": {"read": done, "kept": kept}},
        )

    def _load_certificate(self) -> None:
        """Take certificate and key into use, tried apart first: half a pair would serve nobody."""
        certificate, key = self.config.ssl_certfile or "", self.config.ssl_keyfile
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
        if self.config.ssl is not None:
            self.config.ssl.load_cert_chain(certificate, key)
