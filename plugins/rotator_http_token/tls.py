"""Whom a connection trusts."""

from __future__ import annotations

import ssl
from pathlib import Path

from rotator.target import Unreachable


def trusting(ca: str | None) -> ssl.SSLContext:
    """Certificates are checked, with the name. `ca`: a file; None: the authorities that OpenSSL was built to find on this system.

    Nothing of it is taken from the environment: `ssl.create_default_context` writes the secrets of a session to SSLKEYLOGFILE, and
    `load_default_certs` trusts SSL_CERT_FILE and SSL_CERT_DIR (docs.python.org/3/library/ssl.html). `Unreachable` where there are none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # asks for a certificate, and for its name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    file, folder = (ca, None) if ca is not None else _of_this_system()
    if file is None and folder is None:
        raise Unreachable("there are no certificates of this system", "write `tls: {ca: FILE}` in the connection")
    try:
        context.load_verify_locations(file, folder)
    except OSError:  # ssl.SSLError is one too
        what = "the certificates of `tls.ca` cannot be read" if ca else "the certificates of this system cannot be read"
        raise Unreachable(what, "give a PEM file that this user may read") from None
    return context


def _of_this_system() -> tuple[str | None, str | None]:
    paths = ssl.get_default_verify_paths()
    file, folder = paths.openssl_cafile, paths.openssl_capath
    return file if Path(file).is_file() else None, folder if Path(folder).is_dir() else None
