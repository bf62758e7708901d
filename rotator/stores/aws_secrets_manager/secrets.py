"""One secret after another: read at AWSCURRENT, replaced by moving AWSCURRENT from the version that was read.

Moving AWSCURRENT needs the version that it stands on now, else the call fails; AWSPREVIOUS follows by itself. PutSecretValue without that
guard would overwrite: so nothing is ever put but under the label `rotator-candidate`.
https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from rotator.aws.answers import GONE, LATE, TAKEN, Deleted, No
from rotator.aws.policy import as_text
from rotator.aws.wire import Wire
from rotator.errors import Denied
from rotator.stores.aws_secrets_manager.policy import CREATE, DESCRIBE, MOVE, PUT, READ, VERSIONS

CURRENT, CANDIDATE = "AWSCURRENT", "rotator-candidate"
"""One candidate label for all writes: a secret has at most 20 labels (Secrets Manager quotas)."""

Line = Callable[[tuple[str, ...]], dict[str, Any]]
"""The statement of the policy for some actions on a secret."""


class Written(Enum):
    """What became of a write that was answered."""

    DONE = "done"
    LATE = "late"
    """Not written now: another version is the current one, or this very write had landed before."""
    TAKEN = "taken"
    """The token stands for other data already."""


@dataclass(frozen=True)
class Head:
    """The current version of a secret. `text` is None where it is binary."""

    version: str
    text: str | None = field(repr=False)


def token_of(*parts: object) -> str:
    """The id of the version that a write makes: the same write has the same one, so that it can be sent again. Of no secret."""
    return str(uuid5(NAMESPACE_URL, json.dumps(["rotator", *map(str, parts)])))


class Secrets:
    """Calls on secrets by name. `line` says which statement of the policy covers a secret."""

    def __init__(self, wire: Wire, kms_key: str | None) -> None:
        self._wire, self._kms = wire, kms_key

    def head(self, name: str, what: str, line: Line) -> Head | None:
        """(reads) What stands at AWSCURRENT; None where there is no such secret, or one without a value."""
        text = as_text(line((READ,)))
        answer = self._wire.ask("get_secret_value", what, text, GONE, SecretId=name, VersionStage=CURRENT)
        if isinstance(answer, No):
            return None
        version, value = answer.get("VersionId"), answer.get("SecretString")
        if not isinstance(version, str) or answer.get("Name", name) != name:
            raise Denied(f"{what}: the answer is none of Secrets Manager's", "correct `endpoint_url`")
        return Head(version, value if isinstance(value, str) else None)

    def about(self, name: str, what: str, line: Line) -> Mapping[str, Any] | None:
        """(reads) All but the value; None where there is no such secret."""
        answer = self._wire.ask("describe_secret", what, as_text(line((DESCRIBE,))), GONE, SecretId=name)
        return None if isinstance(answer, No) else answer

    def names(self, prefix: str, what: str, line: dict[str, Any]) -> Iterator[str]:
        """(reads) The names that begin so, those that are scheduled for deletion too. AWS may be some minutes late."""
        filters = [{"Key": "name", "Values": [prefix]}]
        asked = {"Filters": filters, "MaxResults": 100, "IncludePlannedDeletion": True}
        for page in self._pages("list_secrets", what, as_text(line), **asked):
            yield from (each["Name"] for each in page.get("SecretList", ()) if str(each.get("Name", "")).startswith(prefix))

    def made(self, name: str, what: str, line: Line) -> list[float]:
        """(reads) When each version that AWS still keeps was made, seconds since the epoch; empty where there is no such secret."""
        asked = {"SecretId": name, "MaxResults": 100, "IncludeDeprecated": True}
        found: list[float] = []
        for page in self._pages("list_secret_version_ids", what, as_text(line((VERSIONS,))), **asked):
            found += [each["CreatedDate"].timestamp() for each in page.get("Versions", ()) if "CreatedDate" in each]
        return found

    def _pages(self, method: str, what: str, line: str, **asked: Any) -> Iterator[Mapping[str, Any]]:
        more: dict[str, str] = {}
        while True:
            page = self._wire.ask(method, what, line, GONE, **asked, **more)
            if isinstance(page, No):
                return
            yield page
            if not page.get("NextToken"):
                return
            more = {"NextToken": page["NextToken"]}

    # ---- writing

    def replace(self, name: str, text: str, over: str | None, token: str, what: str, line: Line) -> Written:
        """Let this be the current value, if `over` still is the current version; None: if there is none. Twice with one token equals once.

        Raises `Unsure` where nobody knows; then only a read tells.
        """
        return self._create(name, text, token, what, line) if over is None else self._move(name, text, over, token, what, line)

    def _create(self, name: str, text: str, token: str, what: str, line: Line) -> Written:
        more = {"KmsKeyId": self._kms} if self._kms else {}
        sent = {"Name": name, "SecretString": text, "ClientRequestToken": token, **more}
        answer = self._wire.call("create_secret", what, as_text(line((CREATE,))), TAKEN, **sent)
        if not isinstance(answer, No):
            return Written.DONE
        if self.head(name, what, line) is None:  # somebody made it without a value: the first put becomes the current one
            self._put(name, text, token, what, line)
        return Written.LATE

    def _put(self, name: str, text: str, token: str, what: str, line: Line) -> Written:
        sent = {"SecretId": name, "SecretString": text, "ClientRequestToken": token, "VersionStages": [CANDIDATE]}
        answer = self._wire.call("put_secret_value", what, as_text(line((PUT,))), TAKEN, GONE, **sent)
        if not isinstance(answer, No):
            return Written.DONE
        return Written.TAKEN if answer.code == TAKEN else Written.LATE

    def _move(self, name: str, text: str, over: str, token: str, what: str, line: Line) -> Written:
        put = self._put(name, text, token, what, line)
        if put is not Written.DONE:
            return put
        sent = {"SecretId": name, "VersionStage": CURRENT, "RemoveFromVersionId": over, "MoveToVersionId": token}
        answer = self._wire.call("update_secret_version_stage", what, as_text(line((MOVE,))), LATE, GONE, **sent)
        return Written.LATE if isinstance(answer, No) else Written.DONE


def refuse_unwritable(name: str, about: Mapping[str, Any] | None, region: str) -> None:
    """(reads) Raise `Denied` where another owns what stands at AWSCURRENT, or where it is no longer there to be written."""
    if about is None:
        return
    if about.get("DeletedDate"):
        fix = f"`aws secretsmanager restore-secret --secret-id {name}`"
        raise Deleted(f"{name} is scheduled for deletion", fix)
    if about.get("RotationEnabled"):
        fix = f"`aws secretsmanager cancel-rotate-secret --secret-id {name}`, or let AWS rotate it and take it out of the schedule"
        raise Denied(f"{name} is rotated by Secrets Manager itself: two rotations would overwrite one another", fix)
    if about.get("OwningService"):
        raise Denied(f"{name} belongs to the service {about['OwningService']}", "choose a secret of your own")
    if about.get("PrimaryRegion", region) != region:
        fix = f"write it there; as a place of its own: `replica: true` with `region: {region}`"
        raise Denied(f"{name} is a replica of a secret in {about['PrimaryRegion']}", fix)
