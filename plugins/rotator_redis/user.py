"""A user of the ACL as it is now, and what is to become of it. Nothing here talks to a server.

Redis keeps the SHA-256 of each password, in hex: `#hash` adds one, `!hash` takes one out, and ACL SETUSER does all that one command
says or nothing of it. Taking out what is not there is an error: so `!hash #hash` demands that the hash is there, in the very command
that changes something else. The fence is one more hash, which nobody has a password for: its digits are written, not computed.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rotator.target import Conflict, Credential, Foreign, Refused, Secret
from rotator_redis.rights import Rules

WORDS = b"rotator.fence.".hex()
_MARK = re.compile(rf"{WORDS}([0-9a-f]{{16}})[0-9a-f]{{20}}")


def hash_of(secret: Secret) -> str:
    """What Redis keeps of a password; a byte that was no UTF-8 where it was read is that byte. `Refused`: it has no bytes."""
    try:
        return hashlib.sha256(secret.reveal().encode("utf-8", "surrogateescape")).hexdigest()
    except UnicodeEncodeError:
        pass  # it holds the password: what is raised must not hang on it
    raise Refused("a password has half a character in it, which cannot be sent")


def new_mark(fence: int) -> str:
    """A fence as a hash: no two are equal, so that each change is seen by a runner that has read the one before."""
    return f"{WORDS}{fence:016x}{secrets.token_hex(10)}"


@dataclass(frozen=True)
class User:
    """What was read of it."""

    name: str
    on: bool
    nopass: bool
    listed: tuple[str, ...]
    """Hashes and marks, as ACL GETUSER lists them."""
    rules: Rules
    quotes: bool = False
    """Whether a quote is in one of its rules."""

    @property
    def marks(self) -> tuple[str, ...]:
        """The fences that runs left."""
        return tuple(each for each in self.listed if _MARK.fullmatch(each))

    @property
    def hashes(self) -> tuple[str, ...]:
        """Of its passwords; marks of ours are left out."""
        return tuple(each for each in self.listed if not _MARK.fullmatch(each))

    @property
    def fence(self) -> int:
        """The highest run that has been here; 0: none."""
        return max((fence_of(each) for each in self.marks), default=0)

    def holds(self, credential: Credential) -> bool:
        """Whether this password is one of its own."""
        return credential.secret is not None and hash_of(credential.secret) in self.hashes


def fence_of(mark: str) -> int:
    """The run that left it."""
    found = _MARK.fullmatch(mark)
    return int(found[1], 16) if found else 0


def user_of(name: str, reply: Any) -> User | None:
    """What ACL GETUSER says. Raises `ValueError` where that cannot be read."""
    if reply is None:
        return None
    parts = dict(zip(reply[::2], reply[1::2], strict=True))
    flags, every = parts.get("flags"), parts.get("passwords")
    if not isinstance(flags, list) or not isinstance(every, list) or not {"on", "off"} & {*flags}:
        raise ValueError("no user")
    return User(name, "on" in flags, "nopass" in flags, tuple(every), Rules.of(parts), has_quotes(reply))


def has_quotes(reply: Any) -> bool:
    """Whether a quote is in what the server said: it shows users as it writes them."""
    return any(map(has_quotes, reply)) if isinstance(reply, list) else bool({*str(reply)} & {*"\"'"})


def guard(user: User, fence: int) -> None:
    """Raises `Conflict` where a later run has been here."""
    if user.fence > fence:
        takes = " ".join(f"!{each}" for each in user.marks)
        raise Conflict(
            f"a later run ({user.fence}) has changed user {user.name} since this one ({fence}) began; nothing was changed",
            fix=f"If no other runner is there (the record was lost and begun anew): ACL SETUSER {quoted(user.name)} {takes}",
        )


def no_open_door(user: User) -> None:
    """Raises `Foreign` for a user that every password opens: to set one would shut out whoever comes in by others."""
    if user.nopass:
        raise Foreign(
            f"user {user.name} is `nopass`: every password opens it, and setting one would shut out all who use another",
            door_closed(user),
        )


def door_closed(user: User) -> str:
    """How an operator ends `nopass` without shutting out consumers, and without a password in a history of commands."""
    command = f'`ACL SETUSER {quoted(user.name)} "#HASH"`'
    shows = '`IFS= read -rs P; printf %s "$P" | sha256sum`'
    return f"Find out who comes in, and by which password; then give the user that one by its hash, which ends `nopass`: {shows}, {command}"


def with_new(user: User, new: Credential, keep: Sequence[Credential]) -> tuple[str, ...]:
    """The hashes that it is to have: of what is kept, and of the new one. Nothing is kept: the new one alone.

    Raises `Foreign` where there is a stranger beside what is kept, or what is to be kept is not there.
    """
    if new.secret is None:
        raise Refused(f"there is no password to set for {user.name}")
    own = hash_of(new.secret)
    others = [each for each in keep if not each.same(new)]
    if not others:
        return (own,)
    kept = _kept(user, others)
    strange = [each for each in user.hashes if each not in (*kept, own)]
    if strange:
        raise Foreign(f"user {user.name} has {count(strange)} none of ours", advice(user, strange))
    return (*kept, own)


def without(user: User, old: Credential, keep: Sequence[Credential]) -> tuple[str, ...]:
    """The hashes that are left when the old one is gone; where only its name is known: those of `keep` alone.

    Raises `Foreign` where what is to be kept is not there.
    """
    if old.secret is not None and not user.holds(old):
        return user.hashes
    kept = _kept(user, keep)
    return kept if old.secret is None else tuple(each for each in user.hashes if each != hash_of(old.secret))


def _kept(user: User, keep: Sequence[Credential]) -> tuple[str, ...]:
    if not all(user.holds(each) for each in keep):
        raise Foreign(
            f"user {user.name} does not have the password that must go on working: somebody else changed it",
            "Find out who set it; then adopt the present password",
        )
    return tuple(dict.fromkeys(hash_of(each.secret) for each in keep if each.secret))


def first_mark(user: User, fence: int) -> list[str]:
    """The words that leave a mark where there is none, and change nothing else: what comes after can then demand it."""
    return [*_demanded(user.hashes), f"#{new_mark(fence)}"]


def edit(user: User, wanted: Sequence[str], fence: int) -> list[str]:
    """The words of ACL SETUSER that make these its passwords, if what was read is there still. `fence` 0: no mark."""
    gone = [f"!{each}" for each in (*user.marks, *user.hashes) if each not in wanted]
    stays = _demanded([each for each in user.hashes if each in wanted])
    added = [f"#{each}" for each in wanted if each not in user.hashes]
    return [*gone, *stays, *added, *([f"#{new_mark(fence)}"] if fence else [])]


def _demanded(hashes: Sequence[str]) -> list[str]:
    return [word for each in hashes for word in (f"!{each}", f"#{each}")]


def count(strange: Sequence[str]) -> str:
    """How many passwords, in words that `none of ours` can follow."""
    return "a password that is" if len(strange) == 1 else f"{len(strange)} passwords that are"


def advice(user: User, strange: Sequence[str]) -> str:
    """What to do about them. They are told by where they stand: eight digits of a hash already confirm a password that was guessed."""
    places = " and ".join(str(number) for number, each in enumerate(user.listed, 1) if each in strange)
    name = quoted(user.name)
    where = f"of the `passwords` in ACL GETUSER {name}, counted from 1, number {places}"
    return f"Find out whose: {where}; `ACL SETUSER {name} !HASH` takes one out"


def quoted(name: str) -> str:
    """A user's name for redis-cli."""
    if re.fullmatch(r"[A-Za-z0-9_.:@-]+", name):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
