"""The one door of the engine: every effect goes through `Door.do`, every write of the record through `Door.write`.

Fault injection, interleavings, the oracle and the audit all stand on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from functools import cached_property, lru_cache
from itertools import count
from typing import Any, Protocol, TypeVar

import tenacity

from rotator.audit import Event, EventName, Ledger, Phase, Result, link
from rotator.destination import Destination
from rotator.errors import Conflict, LedgerFailed, PortError, RotatorError, Unreachable
from rotator.model import Secret, changed
from rotator.record import WRITES_KEPT, Lease, Record
from rotator.reload import Reload
from rotator.rotate.order import Order, Stopped
from rotator.seam import Interrupted, Seam
from rotator.spec import RotationSpec
from rotator.step import Name, Seen
from rotator.store import Store
from rotator.target import IssueTarget, SetTarget

T = TypeVar("T")
HIDDEN = "the plugin's message held a secret and is not shown"
PAUSE = 2.0
"""Seconds: the most that a first retry inside a run waits; doubled each time."""


def _whole(event: Event) -> Event:
    """The same, with half characters told by their numbers."""
    texts = {name: text.encode(errors="backslashreplace").decode() for name, text in vars(event).items() if isinstance(text, str)}
    return changed(event, **texts)


@lru_cache(maxsize=4)
def _ts(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


class Kind(Enum):
    """What an effect is."""

    READ = "read"
    WRITE = "write"
    """Of the record."""
    CHANGE = "change"
    """At a target or a place: an intent stands in the ledger before it."""


class Port(Protocol):
    """Anything that an effect touches."""

    def close(self) -> None:
        """Drop connections."""


@dataclass(frozen=True)
class Ports:
    """All that a run touches: the target, the store, and by name the places (the store's own included) and the reloads."""

    target: SetTarget[Any, Any] | IssueTarget[Any, Any]
    store: Store[Any]
    places: Mapping[str, Destination[Any]] = field(default_factory=dict)
    reloads: Mapping[str, Reload[Any]] = field(default_factory=dict)
    revealed: Sequence[Secret] = ()
    """What plugins have been given to log in with so far."""

    def close(self) -> None:
        """Drop all connections."""
        for port in (self.target, self.store, *self.places.values(), *self.reloads.values()):
            port.close()


class Around:
    """Stands around each effect; production lets it through. `rotator.testing` derives faults, interleavings and an oracle from it."""

    def effect(self, _name: str, _kind: Kind, call: Callable[[], T]) -> T:
        """Perform the effect."""
        return call()


def scrubbed(error: BaseException) -> PortError:
    """What a port raised, without what could carry a secret: only our own errors keep their words."""
    if isinstance(error, PortError):
        clean = type(error)(error.what, error.fix, error.code)
        if isinstance(error, Unreachable) and isinstance(clean, Unreachable):
            clean.retry_after = error.retry_after
        return clean
    if isinstance(error, Interrupted):
        return Unreachable("no answer within the deadline of the call")
    return Unreachable(f"the plugin raised {type(error).__name__}: outcome unknown", "report it to the plugin's author")


class Door:
    """Lease, ledger, record and effects of one run."""

    def __init__(self, spec: RotationSpec, ports: Ports, ledger: Ledger, order: Order, seam: Seam, around: Around | None = None) -> None:
        self.spec, self.ports, self.ledger, self.order, self.seam = spec, ports, ledger, order, seam
        self.around = around or Around()
        self.record = self.sent = Record()
        """As it was read or written last, and as it was sent to the store last."""
        self.seen = Seen(run=order.run, named=order.named, forced=order.forced)
        self.until: float | None = None
        """End of our lease by our own clock; None: we hold none."""
        self.lease: Lease | None = None
        self.head = self.record.audit_head
        self.waiting: list[Event] = []
        self.last_error: PortError | None = None
        self.doing = ""
        """The present effect in words: which step, what, and where."""
        self.started = seam.ticks()

    # ---- effects

    def do(
        self,
        step: Name,
        effect: str,
        call: Callable[[], T],
        *,
        port: Port,
        kind: Kind = Kind.CHANGE,
        tries: int = 2,
        exempt: bool = False,
        **about: str,
    ) -> T:
        """Perform one effect: event, lease check, alarm, call, event. Raises a scrubbed `PortError`, `Stopped`, `LedgerFailed`.

        `exempt`: what follows a mint goes on when the lease has lapsed or the ledger fails; the revision fences it.
        """
        attempts = count(1)

        def once() -> T:
            return self._once(step, effect, call, port, kind, exempt, next(attempts), about)

        try:
            return once()
        except Unreachable:
            if tries == 1:
                raise
        return self._again(once, tries)

    def _again(self, once: Callable[[], T], tries: int) -> T:
        """A first try had no answer; the rest of them, each after a pause."""
        self.seam.sleep(self.seam.jitter(PAUSE))
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Unreachable),
            stop=tenacity.stop_after_attempt(tries - 1),
            wait=lambda state: self.seam.jitter(PAUSE * 2**state.attempt_number),
            sleep=self.seam.sleep,
            reraise=True,
        )
        return retrying(once)

    def _once(
        self, step: Name, effect: str, call: Callable[[], T], port: Port, kind: Kind, exempt: bool, attempt: int, about: Mapping[str, str]
    ) -> T:
        if kind is not Kind.READ and not exempt:
            self.still_ours()
        self.doing = f"{step} ({effect}) {self._where(port, about)}"
        event: dict[str, Any] = {"step": step, "effect": effect, "attempt": attempt, **about}
        if kind is Kind.CHANGE:
            self.tell(Phase.INTENT, **event)
            self.flush(exempt=exempt)
        begun = self.seam.ticks()
        try:
            result = self._call(effect, kind, call, port)
        except Conflict as error:
            if kind is not Kind.WRITE:
                self._told(event, begun, Result.FAILURE, error)
            raise
        except PortError as error:
            self.last_error = error
            outcome = Result.UNKNOWN if isinstance(error, Unreachable) else Result.FAILURE
            self._told(event, begun, outcome, error)
            raise
        if kind is not Kind.WRITE:
            self._told(event, begun, Result.SUCCESS, None)
        return result

    def _where(self, port: Port, about: Mapping[str, str]) -> str:
        """Of which system an effect is."""
        if "place" in about:
            return f"in {about['place']}"
        return f"at {self.spec.identity.endpoint}" if port is self.ports.target else f"in {self.spec.chain}"

    def _call(self, effect: str, kind: Kind, call: Callable[[], T], port: Port) -> T:
        seconds = port.timeout if isinstance(port, Reload) else self.order.timeout
        try:
            with self.seam.deadline(seconds + 1):
                return self.around.effect(effect, kind, call)
        except RotatorError as error:
            port.close()
            if not isinstance(error, PortError):
                raise
            raise self.without_secrets(scrubbed(error)) from None
        except (Exception, Interrupted, SystemExit) as error:  # noqa: BLE001 - whatever a plugin raises is an unknown outcome, and only its type is shown
            clean = scrubbed(error)
        port.close()
        raise clean

    def without_secrets(self, error: PortError) -> PortError:
        """A plugin's own words, unless a secret stands in them."""
        if self.secret_in(f"{error.what} {error.fix} {error.code}"):
            return type(error)(HIDDEN, "report it to the plugin's author")
        return error

    def secret_in(self, words: str) -> bool:
        """Whether a secret stands in a plugin's words: one of the record (read or sent), of an adoption, or what a plugin logs in with."""
        given = getattr(self.order.command, "credential", None)
        known = [each.secret for each in (*self.record.known(), *self.sent.known(), given) if each and each.secret]
        return any(each.reveal() in words for each in (*known, *self.ports.revealed))

    def _told(self, event: dict[str, Any], begun: float, outcome: Result, error: RotatorError | None) -> None:
        """The outcome waits for the next flush: that comes before the next effect, and before the next write of the record."""
        took = int((self.seam.ticks() - begun) * 1000)
        self.tell(Phase.OUTCOME, outcome=outcome, duration_ms=took, error=error, **event)

    def still_ours(self) -> None:
        """Stop where our lease has lapsed by our own clock, suspended time counted."""
        if self.until is not None and self.seam.ticks() >= self.until:
            raise Stopped("lapsed")

    # ---- the record

    def write(self, new: Record, step: Name, reason: str = "", *, exempt: bool = False, release: bool = False) -> None:
        """Replace the record; `Conflict` where another runner was faster. The same write may land only once, however often it is sent."""
        if exempt:
            ours = new
        else:
            self.tell(Phase.RECORD, step=step, reason=reason or None, outcome=Result.SUCCESS)
            self.flush()
            ours = new.but(audit_head=self.head)
        writes = (*self.record.writes, self.seam.new_id())[-WRITES_KEPT:]
        lease = None if release else self.lease
        ours = ours.but(
            revision=self.record.revision,
            seq=max(self.record.seq, new.seq) + 1,
            at=self.seam.now(),
            writes=writes,
            lease=lease,
            name=self.spec.name,
        )
        store, self.sent = self.ports.store, ours
        self.record = self.do(
            step, f"write record {step}", lambda: store.write(self.spec.path, ours), port=store, kind=Kind.WRITE, tries=3, exempt=exempt
        )
        target = self.ports.target  # its next call is fenced against each earlier one, ours too: one may arrive after its own retry
        target.runtime = changed(target.runtime, fence=self.record.seq)

    # ---- events

    @cached_property
    def every_event(self) -> Event:
        """What all events of this run say."""
        spec, order = self.spec, self.order
        return Event(
            ts="",
            event=EventName.STEP,
            chain=spec.chain,
            spec=spec.name,
            environment=spec.identity.environment,
            target=f"{spec.identity.type} {spec.identity.endpoint}",
            principal=",".join(spec.principals),
            store_path=spec.chain,
            run=order.run,
            actor=order.actor,
            trigger=order.trigger,
            plugin=spec.identity.type,
            plugin_version=order.plugin_version,
            config_sha256=order.config_sha256,
        )

    def tell(self, phase: Phase | None, event: EventName = EventName.STEP, *, error: RotatorError | None = None, **about: Any) -> None:
        """Put an event in line; it is durable after the next `flush`."""
        rotation = self.record.pending or self.record.current
        if error:
            about |= {"error_type": type(error).__name__, "error_message": str(error), "error_code": getattr(error, "code", None)}
        about = {"rotation": rotation.id if rotation else None, **about}
        self.waiting.append(changed(self.every_event, ts=_ts(self.seam.now()), event=event, phase=phase, **about))

    def flush(self, *, exempt: bool = False) -> None:
        """Make all events in line durable. Only a run under its lease appends to the chain: until CLAIM they wait."""
        if not self.waiting or self.lease is None:
            return
        try:
            linked, head = link(self.waiting, self.head)
        except UnicodeEncodeError:  # half a character in somebody's words: it has no UTF-8
            self.waiting = [_whole(each) for each in self.waiting]
            linked, head = link(self.waiting, self.head)
        try:
            self.ledger.append(linked)
        except LedgerFailed:
            if not exempt:
                raise
            return
        self.waiting, self.head = [], head
        self.order.emit(linked)
