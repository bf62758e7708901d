"""Where a place truly is, however its entry in rotator.yaml is called and spelled: two entries are never one place unseen.

Two that write one document would each take what the other wrote for a stranger's. Of somebody else's types only the entry's name is known.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from rotator.load.config import Connection

Site = tuple[object, ...]
_FIELDS = {
    "vault": ("address", "namespace", "mount"),
    "aws_secrets_manager": ("region", "endpoint_url"),
    "aws_ssm": ("region", "endpoint_url"),
    "kubernetes_secret": ("address", "namespace"),
    "gitlab_variable": ("api_url", "project", "group", "environment_scope"),
    "github_actions": ("api_url", "repository", "environment", "organization"),
}
"""What says where, by type; the path in a schedule says the rest."""
_FOLDED = {"project", "group", "repository", "organization"}
"""Names whose case GitHub and GitLab do not tell apart."""
_FILES = ("env_file", "file")
_PORTS = {"https": 443, "http": 80}


def site(entry: Connection) -> Site:
    """Equal for two entries whose equal paths are the same place."""
    settings: Any = entry.settings
    if entry.type in _FILES:
        return ("a file", os.path.normpath(settings.path))
    fields = _FIELDS.get(entry.type)
    if fields is None:
        return ("named", entry.name)
    account = _account(settings) if entry.type.startswith("aws_") else None
    return (entry.type, account, *(_plain(getattr(settings, each), fold=each in _FOLDED) for each in fields))


def _account(settings: Any) -> object:
    """The account, or the login that leads to it."""
    role, key = settings.role, settings.credentials
    return settings.account or (role.account if role else (settings.profile, key.access_key_id if key else None))


def _plain(value: Any, *, fold: bool) -> object:
    """One spelling of an address or name."""
    if not isinstance(value, str) or "://" not in value:
        return value.casefold() if fold and value else value
    parts = urlsplit(value)
    return ((parts.hostname or "").casefold(), parts.port or _PORTS.get(parts.scheme), parts.path.rstrip("/"))
