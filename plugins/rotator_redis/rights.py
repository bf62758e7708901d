"""What an ACL user may do, told from its rules as ACL GETUSER shows them: so nobody needs ACL DRYRUN, and nothing is tried.

https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/. Rules count from left to right. Only commands that
take no key are asked for here: of those a selector allows what the user itself does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rotator_redis.connection import RedisConnection, RedisUserSettings

_ADMIN = frozenset({"all", "admin", "slow", "dangerous"})
CATEGORIES = {
    "acl|getuser": _ADMIN,
    "acl|setuser": _ADMIN,
    "acl|save": _ADMIN,
    "acl|list": _ADMIN,
    "config|get": _ADMIN,
    "config|rewrite": _ADMIN,
    "client|kill": _ADMIN | {"connection"},
    "info": frozenset({"all", "slow", "dangerous"}),
}
"""Of the commands that an admin of ours uses, as Redis 7 has them."""


@dataclass(frozen=True)
class Rules:
    """The rules of a user and of its selectors, a list each."""

    lists: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, user: Mapping[str, Any]) -> Rules:
        """From the parts of ACL GETUSER."""
        return cls(tuple(tuple(str(each.get("commands", "")).lower().split()) for each in (user, *_selectors(user))))

    def allow(self, command: str) -> bool:
        """Whether the user may call it."""
        return any(_allows(each, command) for each in self.lists)


def _selectors(user: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for each in user.get("selectors") or []:
        yield dict(zip(each[::2], each[1::2], strict=True))


def _allows(rules: tuple[str, ...], command: str) -> bool:
    names, allowed = {command, command.partition("|")[0]}, False
    for rule in rules:
        word = {"allcommands": "+@all", "nocommands": "-@all"}.get(rule, rule)
        sign, what = word[:1], word[1:]
        if what in names or (what.startswith("@") and what[1:] in CATEGORIES[command]):
            allowed = sign == "+"
    return allowed


def needed(connection: RedisConnection, config: RedisUserSettings) -> list[str]:
    """The commands that an admin needs with these settings."""
    save = {"acl_file": ["acl|save"], "config_file": ["acl|save", "config|rewrite"], "none": []}[connection.persist]
    return ["acl|getuser", "acl|setuser", *save, "info", *(["client|kill"] if config.terminate_sessions else [])]


def unwritable(connection: RedisConnection, config: RedisUserSettings) -> str:
    """Why the server would not start again after CONFIG REWRITE: it writes users' names as they are. Empty: it would."""
    if connection.persist != "config_file" or not {*config.username} & {*"\"'\\"}:
        return ""
    return f"user {config.username} has a quote or a backslash in its name: a server that reads it in its configuration does not start"
