"""Records: one secret each, below a prefix of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from rotator.aws.answers import Deleted, Unsure
from rotator.aws.wire import Wire
from rotator.errors import Conflict, Corrupt, Refused, Unreachable
from rotator.record import WRITES_KEPT, Record, from_document, to_document
from rotator.seam import Seam
from rotator.store import Limits
from rotator.stores.aws_secrets_manager.policy import Policy
from rotator.stores.aws_secrets_manager.secrets import Head, Secrets, Written, token_of

DAY = 86400.0
KEPT_BACK = 20
"""Of a day's writes: what a run that has begun may use up. A run begins only while more are left."""
STALE_LOOKS = 5
"""How often a refused move is tried again although the head reads as it was: reads may be late."""


class Records:
    """The records below one prefix."""

    def __init__(self, secrets: Secrets, wire: Wire, policy: Policy, prefix: str, limits: Limits, seam: Seam) -> None:
        self._secrets, self._wire, self._policy, self._limits, self._seam = secrets, wire, policy, limits, seam
        self._prefix = f"{prefix}/records/"
        self._counted: set[str] = set()
        """Paths whose writes of the last 24 hours were counted by this instance."""
        self._unsure: set[str] = set()
        """Ids of writes that were sent without an answer; an earlier call's too, for they can only make us more careful."""

    def name(self, path: str) -> str:
        """The secret of a record."""
        return self._prefix + path

    def read(self, path: str) -> Record:
        """See `Store.read`."""
        found = self._head(path)
        return self._parse(path, found) if found else Record()

    def _head(self, path: str) -> Head | None:
        try:
            return self._secrets.head(self.name(path), f"read record {path}", self._policy.own)
        except Deleted:
            pass
        raise self._deleted(path)

    def _deleted(self, path: str) -> Corrupt:
        fix = f"`aws secretsmanager restore-secret --secret-id {self.name(path)}` brings it back"
        return Corrupt(f"record {path} is scheduled for deletion by somebody else; it is not taken for empty", fix=fix)

    def _parse(self, path: str, found: Head) -> Record:
        try:
            document = json.loads(found.text or "")
        except ValueError:
            document = None
        if not isinstance(document, Mapping):
            fix = "somebody else wrote there; move AWSCURRENT back to the version before it"
            raise Corrupt(f"record {path} is no document of ours", fix=fix)
        return from_document(document, found.version)

    def paths(self) -> list[str]:
        """See `Store.paths`."""
        names = self._secrets.names(self._prefix, "list records", self._policy.listing())
        return sorted(each.removeprefix(self._prefix) for each in names)

    # ---- write

    def write(self, path: str, record: Record) -> Record:
        """See `Store.write`."""
        text = json.dumps(to_document(record), separators=(",", ":"), ensure_ascii=False)
        if len(text.encode()) > self._limits.max_bytes:
            raise Refused(f"record {path} would have {len(text.encode())} bytes, more than {self._limits.max_bytes}", "shorten the fields")
        self._count(path, record)
        token = self._token(path, record)
        tries = 0
        while True:
            trouble = self._send(path, text, record, token)
            if isinstance(trouble, Record):
                return trouble
            if trouble is Written.TAKEN:
                token = self._seam.new_id()
                continue
            settled = self._settle(path, record)
            if settled is not None:
                return settled
            tries += 1
            if self._wire.left < self._wire.reserve or (trouble is Written.LATE and tries > STALE_LOOKS):
                raise trouble if isinstance(trouble, Unreachable) else _puzzling(path)
            self._wire.pause(tries)

    def _token(self, path: str, record: Record) -> str:
        return token_of(self.name(path), record.writes[-1], record.revision) if record.writes else self._seam.new_id()

    def _send(self, path: str, text: str, record: Record, token: str) -> Record | Written | Unreachable:
        """Once: the record where it landed, else what is known. What surely was not done, now or before, is the caller's to repeat."""
        try:
            done = self._secrets.replace(self.name(path), text, record.revision, token, f"write record {path}", self._policy.own)
        except Deleted:
            raise self._deleted(path) from None
        except Unreachable as error:
            if not isinstance(error, Unsure) and not self._unsure.intersection(record.writes[-1:]):
                raise
            self._unsure.update(record.writes[-1:])
            return error
        return record.but(revision=token) if done is Written.DONE else done

    def _settle(self, path: str, record: Record) -> Record | None:
        """Either this very write landed and its answer was lost, or we are late; None: the head still is the one that it would replace.

        Where another wrote after us, the revision stays the old one, so that our next write is a conflict.
        """
        head, mine = self.read(path), record.writes[-1:]
        if mine and mine[0] in head.writes:
            return record.but(revision=head.revision if head.writes[-1] == mine[0] else record.revision)
        if head.revision == record.revision:
            return None
        since = head.seq - record.seq
        if self._unsure.intersection(mine) and since >= WRITES_KEPT:
            text = f"write record {path}: no answer came, and {since} writes later nobody can tell any more whether it landed"
            raise Unreachable(text, "which other runner writes there so often?")
        raise Conflict(f"record {path} was changed by another runner")

    # ---- how many writes AWS bears

    def _count(self, path: str, record: Record) -> None:
        """Before the first write of a run: refuse to begin what could not be ended today."""
        most = self._limits.writes_per_day
        if path in self._counted or record.revision is None or most is None:
            return
        now = self._wire.clock or datetime.fromtimestamp(self._seam.now(), UTC)
        since = now.timestamp() - DAY
        made = sorted(
            each for each in self._secrets.made(self.name(path), f"count the writes of record {path}", self._policy.own) if each > since
        )
        if len(made) > most - KEPT_BACK:
            free = made[len(made) - most + KEPT_BACK - 1] + DAY
            again = datetime.fromtimestamp(free, UTC)
            error = Unreachable(
                f"record {path} had {len(made)} writes in 24 hours, and AWS bears about {most} of one secret: no run begins now",
                f"the next one can at {again:%Y-%m-%dT%H:%M}Z; which run fails so often?",
            )
            error.retry_after = max(1.0, free - now.timestamp())
            raise error
        self._counted.add(path)

    def forget(self) -> None:
        """The next write of each path counts again."""
        self._counted.clear()


def _puzzling(path: str) -> Unreachable:
    return Unreachable(
        f"write record {path}: refused, although nothing has changed", "does anyone move its labels, or is a read very late?"
    )
