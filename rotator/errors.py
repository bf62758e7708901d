"""One error tree: what happened, where, and what to do next.

The exit code sits on the class. No message ever carries a secret: whoever raises one of these writes the text himself and never
pastes in a value, a statement or another library's message that he has not read.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class Exit(IntEnum):
    """Exit codes of the command line."""

    DONE = 0
    """Done and proven, or waiting within the policy."""
    FAILED = 1
    """Not done; the old credential still works (in place a consumer may be cut off: the message says so)."""
    BAD_INPUT = 2
    """A file, an option or a reference is wrong; nothing was touched."""
    UNPROVEN = 3
    """Overdue, or done but not observed."""
    HUMAN = 4
    """Nothing but a human settles it: the message names the command."""
    BUSY = 5
    """Another runner holds the lease."""


PRECEDENCE = (Exit.BAD_INPUT, Exit.HUMAN, Exit.FAILED, Exit.BUSY, Exit.UNPROVEN, Exit.DONE)
"""Of several specs the first of these that applies to any is the exit code of the command."""


def worst(codes: list[Exit]) -> Exit:
    """The exit code of a command over many specs; `DONE` for none."""
    return next((code for code in PRECEDENCE if code in codes), Exit.DONE)


class RotatorError(Exception):
    """Anything that goes wrong, said so that an operator can act on it."""

    exit_code: ClassVar[Exit] = Exit.FAILED

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f". {self.fix}" if self.fix else ""
        return f"{place}{self.what}{advice}"


class BadInput(RotatorError):
    """A file, an option or a reference is wrong; nothing was touched."""

    exit_code = Exit.BAD_INPUT


class Conflict(RotatorError):
    """The record changed under this run: another runner was faster. The run stops."""

    exit_code = Exit.BUSY


class Corrupt(RotatorError):
    """A stored document cannot be trusted: altered, torn, or written with another key. Never taken for "empty"."""

    exit_code = Exit.HUMAN


class LedgerFailed(RotatorError):
    """The required audit ledger cannot take an event, so the side effect it announces does not happen."""


class PortError(RotatorError):
    """What a target, a store or a destination answered. `code` is the system's own (SQLSTATE, errno, HTTP status), for the audit."""

    def __init__(self, what: str, fix: str | None = None, code: str | None = None, *, where: str | None = None) -> None:
        super().__init__(what, where=where, fix=fix)
        self.code = code


class Rejected(PortError):
    """Only from `verify`: the target looked at this credential and said no.

    Never for network, host rules, quota, lock-out, clock skew, or because the admin was refused.
    """


class Unfit(PortError):
    """Only from `verify` and `confirm_dead`: it was let in, but as another, or without what it needs. It is alive."""


class Denied(PortError):
    """Our admin was refused: login or privilege. Nothing happened; not retried; `fix` is the exact grant or policy statement."""


class Refused(PortError):
    """The system will not do this: weak secret, no free slot, no such principal. Nothing happened; not retried."""


class Foreign(PortError):
    """Somebody else's secret or change is in the way. Nothing happened; a human settles it."""

    exit_code = Exit.HUMAN


class Unreachable(PortError):
    """No answer, 5xx, throttled, or an answer that nobody can read. It may have happened.

    `retry_after`: do not try again before so many seconds, where the system said so.
    """

    retry_after: float | None = None
