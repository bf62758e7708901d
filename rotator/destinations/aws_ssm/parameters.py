"""The calls to Parameter Store, with what it answers as our errors. Codes: Systems Manager API Reference, GetParameter and PutParameter."""

from __future__ import annotations

from dataclasses import dataclass, field

from rotator.aws.answers import KMS, No
from rotator.aws.policy import as_text
from rotator.aws.wire import Wire
from rotator.destination import Denied, Refused, Unreachable
from rotator.destinations.aws_ssm.policy import GET, PUT, Policy
from rotator.destinations.aws_ssm.settings import AwsSsmSettings

ABSENT, THERE, BUSY, BAD_KEY = "ParameterNotFound", "ParameterAlreadyExists", "TooManyUpdates", "InvalidKeyId"
REFUSED = {
    "ValidationException": ("AWS calls it invalid", "a standard parameter holds 4 KB; its name begins neither with aws nor with ssm"),
    "ParameterPatternMismatchException": ("its `AllowedPattern` does not match", "change the pattern, or the password's alphabet"),
    "ParameterMaxVersionLimitExceeded": ("its oldest version has a label", "`aws ssm unlabel-parameter-version` frees it"),
    "ParameterLimitExceeded": ("the account holds as many parameters as AWS lets it", "remove some, or ask AWS for more"),
    "HierarchyLevelLimitExceededException": ("its name has more than 15 levels", "choose a shorter `path`"),
    "HierarchyTypeMismatchException": ("a parameter of another type stands above it", "choose another `path`"),
}
SECURE = "SecureString"


@dataclass(frozen=True)
class Parameter:
    """What consumers read."""

    value: str = field(repr=False)
    version: int


class Parameters:
    """Reads and writes SecureStrings."""

    def __init__(self, settings: AwsSsmSettings, wire: Wire, policy: Policy) -> None:
        self._settings, self._wire, self._policy = settings, wire, policy

    def get(self, name: str, what: str) -> Parameter | None:
        """(reads) The newest version; None where there is none. Raises `Refused` where it is kept in plain text."""
        answer = self._wire.ask("get_parameter", what, self._line(name, GET), ABSENT, BAD_KEY, Name=name, WithDecryption=True)
        if isinstance(answer, No):
            if answer.code == ABSENT:
                return None
            raise self._wrong_key(what)
        found = answer.get("Parameter", {})
        if found.get("Type") != SECURE:
            fix = f"`aws ssm delete-parameter --name {name}`, then let rotator make it anew with `create: true`"
            raise Refused(f"{what}: it is a {found.get('Type')}, kept in plain text, no {SECURE}", fix)
        return Parameter(str(found["Value"]), int(found["Version"]))

    def put(self, name: str, value: str, what: str, *, overwrite: bool) -> int | None:
        """Write a new version, and return its number; None where one is there already that is not to be overwritten."""
        key = {"KeyId": self._settings.kms_key} if self._settings.kms_key else {}
        codes = (THERE, BUSY, BAD_KEY, *REFUSED)
        sent = {"Name": name, "Value": value, "Type": SECURE, "Overwrite": overwrite, **key}
        answer = self._wire.call("put_parameter", what, self._line(name, PUT), *codes, **sent)
        if not isinstance(answer, No):
            return int(answer["Version"])
        if answer.code == THERE:
            return None
        if answer.code == BUSY:
            raise Unreachable(f"{what}: another writes it at this moment", "the next run goes on", answer.code)
        if answer.code in KMS or answer.code == BAD_KEY:
            raise self._wrong_key(what)
        why, fix = REFUSED[answer.code]
        raise Refused(f"{what}: {why}", fix, answer.code)

    def _wrong_key(self, what: str) -> Denied:
        return Denied(f"{what}: its KMS key cannot be used", "correct `kms_key`; is the key enabled, and in this region?", BAD_KEY)

    def _line(self, name: str, action: str) -> str:
        return as_text(self._policy.parameters([name], [action]))
