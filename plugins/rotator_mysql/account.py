"""An account as it is now, and what is to become of it. Nothing here talks to a server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rotator.target import Conflict, Credential, Foreign, Refused
from rotator_mysql.hashes import ED25519, NATIVE, SHA2, Entry, made


@dataclass(frozen=True)
class Account:
    """What was read of it. `stamp`: of exactly this state, where the server can compare it."""

    user: str
    host: str
    entries: tuple[Entry, ...]
    """Its ways in, in their order; a fence and what lets nobody in are left out."""
    ways: tuple[Entry, ...] = ()
    """All of them as the server lists them, where it lists them: a fence and what lets nobody in too."""
    fence: int = 0
    stamp: str = ""
    locked: bool = False
    expired: bool = False
    lifetime: int | None = 0
    """Days after which a password expires; 0: never; None: as the server's `default_password_lifetime` says."""
    tls: str = ""
    """What the account wants of TLS: nothing, `any` or a `certificate` of the client's."""
    cipher: str = ""
    """The only cipher of TLS that it admits."""
    super: bool = False

    @property
    def name(self) -> str:
        """As the server says it."""
        return f"{self.user}@{self.host}"

    @property
    def quoted(self) -> str:
        """For a statement."""
        return quoted(self.user, self.host)

    def holder(self, credential: Credential) -> Entry | None:
        """The entry that lets this password in."""
        if credential.secret is None:
            return None
        return next((each for each in self.entries if each.holds(credential.secret)), None)


def quoted(user: str, host: str) -> str:
    """An account's name, for a statement."""
    return f"{identifier(user)}@{identifier(host)}"


def identifier(name: str) -> str:
    """A name in backticks."""
    doubled = name.replace("`", "``")
    return f"`{doubled}`"


def tls_of(kind: str, names: object) -> str:
    """What REQUIRE asks for, as the server keeps it: SPECIFIED may be a cipher alone. `names`: those that a certificate is to bear."""
    return {"ANY": "any", "X509": "certificate", "SPECIFIED": "certificate" if names else "any"}.get(kind, "")


def guard(account: Account, fence: int, without: str) -> None:
    """Raises `Conflict` where a later run has been here. `without`: how its number is cleared."""
    if account.fence > fence:
        raise Conflict(
            f"a later run ({account.fence}) has changed account {account.name} since this one ({fence}) began; nothing was changed",
            fix=f"If no other runner is there (the record was lost and begun anew): {without}",
        )


def with_new(account: Account, new: Credential, keep: Sequence[Credential], plugin: str) -> tuple[Entry, ...]:
    """The entries that it is to have: of what is kept, and of the new one. Nothing is kept: the new one alone.

    Raises `Foreign` where there is a stranger beside what is kept, or what is to be kept is not there.
    """
    if new.secret is None:
        raise Refused(f"there is no password to set for {account.name}")
    own = account.holder(new) or made(plugin, new.secret)
    others = [each for each in keep if not each.same(new)]
    if not others:
        return (own,)
    kept = _kept(account, others)
    known = [each.secret for each in (*others, new) if each.secret]
    strange = [each for each in account.entries if not any(each.holds(secret) for secret in known)]
    if strange:
        raise Foreign(
            f"account {account.name} has a password that is none of ours ({', '.join(each.plugin for each in strange)})",
            "Find out whose it is; then set the account's authentication to the known one alone, or adopt it anew",
        )
    return tuple(sorted({*kept, own}, key=lambda each: (_ORDER.index(each.plugin), each not in kept)))


def without(account: Account, old: Credential, keep: Sequence[Credential]) -> tuple[Entry, ...]:
    """The entries that are left when the old one is gone; where only its name is known: those of `keep` alone.

    Raises `Foreign` where what is to be kept is not there.
    """
    if old.secret is not None and account.holder(old) is None:
        return account.entries
    kept = _kept(account, keep)
    return kept if old.secret is None else tuple(each for each in account.entries if not each.holds(old.secret))


_ORDER = (NATIVE, SHA2, ED25519)
"""What every client speaks comes first: some follow one switch of the plugin and no second."""


def _kept(account: Account, keep: Sequence[Credential]) -> tuple[Entry, ...]:
    found = [account.holder(each) for each in keep]
    if None in found:
        raise Foreign(
            f"account {account.name} does not have the password that must go on working: somebody else changed it",
            "Find out who set it; then adopt the present password",
        )
    return tuple(dict.fromkeys(each for each in found if each))


def plugin_for(account: Account, wanted: str | None, default: str) -> str:
    """The plugin of a new password: as settings say; else as the account's present one."""
    present = [each.plugin for each in account.entries if each.plugin in _ORDER]
    return wanted or (present[0] if present else default)
