"""What is asked of one run, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rotator.audit import Event
from rotator.errors import Exit
from rotator.model import Credential, Finding
from rotator.spec import RotationSpec
from rotator.step import Step


class Stopped(Exception):
    """The run ends here. `why` is one of `messages.py`, where the words and the exit code stand; `detail` makes them exact."""

    def __init__(self, why: str, detail: str = "", *, until: float | None = None, fix: str | None = None) -> None:
        super().__init__(why)
        self.why, self.detail, self.until, self.fix = why, detail, until, fix


@dataclass(frozen=True)
class Adopt:
    """First take-over: of `credential`, or (`new`) by a first rotation."""

    new: bool = False
    credential: Credential | None = None
    take_second: bool = False
    """Alternating: lock the second user. Overlapping: drop the second secret."""
    retire: str | None = None
    """Issue: this other id becomes previous."""
    overwrite: frozenset[str] = frozenset()
    forget_old: bool = False
    """Another system: what the record knows of the old one is forgotten."""


@dataclass(frozen=True)
class HoldUntil:
    """Keep the old one alive."""

    why: str
    seconds: float


@dataclass(frozen=True)
class Undo:
    """Back to the previous credential, or give up the pending one."""


@dataclass(frozen=True)
class Resolve:
    """The way out of exit 4; and what a human has seen where nobody else can look."""

    accept: str | None = None
    revoke: str | None = None
    overwrite: frozenset[str] = frozenset()
    seen: frozenset[str] = frozenset()
    """Places that nobody can read back: a consumer was seen to log in with what they hold."""
    clock: bool = False
    """The clock is right, and the record was written by one that was ahead."""


@dataclass(frozen=True)
class Compromise:
    """Mark a version as leaked: `current`, `previous` or `pending`."""

    which: str = "current"


@dataclass(frozen=True)
class Move:
    """To another store: `move.py` performs it."""

    to: RotationSpec
    """The same spec, in the other store."""
    overwrite: bool = False
    """What the path that consumers read there shows may be lost."""


Command = Adopt | HoldUntil | Undo | Resolve | Compromise | Move


def _mute(_events: Sequence[Event]) -> None:
    return


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is asked of one run. Times are seconds."""

    run: str
    home: str
    actor: str = "rotator"
    trigger: str = "manual"
    named: bool = False
    forced: bool = False
    dry: bool = False
    command: Command | None = None
    take_over: bool = False
    """The spec's lock is ours: a lease of the same home is a dead runner's."""
    timeout: float = 10.0
    """For one call."""
    run_time: float = 240.0
    config_sha256: str | None = None
    plugin_version: str | None = None
    stop: Callable[[], bool] = bool
    """Whether to end after the present step (SIGTERM)."""
    emit: Callable[[Sequence[Event]], None] = _mute
    """Where durable events are shown as well."""


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """How a run ended."""

    spec: str
    exit: Exit
    why: str
    message: str
    fix: str | None = None
    wake: float | None = None
    """When to look at this spec again; None: nothing but a human or a new configuration changes it."""
    steps: tuple[Step, ...] = ()
    findings: tuple[Finding, ...] = ()
    claimed: bool = False
    details: dict[str, str] = field(default_factory=dict)
