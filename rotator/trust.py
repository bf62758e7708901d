"""Whom TLS trusts: what rotator.yaml names, else the system. Never what the environment says, and no key of a session goes anywhere.

OpenSSL reads SSL_CERT_FILE and SSL_CERT_DIR where nothing is named (SSL_CTX_set_default_verify_paths(3)). Python, urllib3 and botocore
write the keys of each session to the file that SSLKEYLOGFILE names (docs.python.org, ssl.create_default_context).
"""

from __future__ import annotations

import os
import ssl

IGNORED = ("SSLKEYLOGFILE", "SSL_CERT_FILE", "SSL_CERT_DIR")


def forget_environment() -> None:
    """Drop what libraries below us would read by themselves. May be called twice."""
    for name in IGNORED:
        os.environ.pop(name, None)


def of_the_system() -> tuple[str | None, str]:
    """The file, where there is one, and the folder of certificates that this OpenSSL was built with (docs.python.org, ssl)."""
    paths = ssl.get_default_verify_paths()
    return paths.openssl_cafile if os.path.isfile(paths.openssl_cafile) else None, paths.openssl_capath  # noqa: PTH113 - plain text


def client_context(ca: str | None) -> ssl.SSLContext:
    """For clients: trusts the certificates in `ca`, else the system's. Raises `OSError` where that file cannot be read, or holds none."""
    forget_environment()
    file, folder = (ca, None) if ca is not None else of_the_system()
    return ssl.create_default_context(cafile=file, capath=folder)
