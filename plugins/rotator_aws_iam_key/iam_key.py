"""`IamKey`: the target plugin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, ClassVar
from urllib.parse import urlsplit

from rotator.target import (
    Can,
    Credential,
    Denied,
    Finding,
    IssueTarget,
    Live,
    PortError,
    Refused,
    Rejected,
    Runtime,
    Secret,
    Settings,
    Unfit,
    Unreachable,
)
from rotator_aws_iam_key import answers
from rotator_aws_iam_key.calls import Calls
from rotator_aws_iam_key.check import Checkup
from rotator_aws_iam_key.connection import AwsConnection, IamKeySettings
from rotator_aws_iam_key.policy import Arn, as_text, statement, user_arn

PAGES = 100
"""A user has two keys: a list that does not end is no list."""
HOSTS = {"cn-": "iam.cn-north-1.amazonaws.com.cn", "us-gov-": "iam.us-gov.amazonaws.com"}
"""IAM's endpoint in other partitions (AWS General Reference, "IAM endpoints and quotas")."""


class IamKey(IssueTarget[AwsConnection, IamKeySettings]):
    """The access keys of one IAM user."""

    connection_type: ClassVar[str] = "aws"
    settings: ClassVar[type[Settings]] = IamKeySettings
    fields: ClassVar[tuple[str, str]] = ("access_key_id", "secret_access_key")

    def __init__(self, connection: AwsConnection, config: IamKeySettings, runtime: Runtime) -> None:
        super().__init__(connection, config, runtime)
        self._calls = Calls(connection, runtime)
        self._caller: Arn | None = None

    @property
    def can(self) -> Can:
        """Two keys at most; they can be switched off and tell their last use; no labels."""
        appears, disappears = self.connection.settles
        return Can(max_live=2, disables=True, tells_use=True, appears=appears, disappears=disappears)

    @property
    def endpoint(self) -> str:
        """`iam:ACCOUNT` where the connection names one; else the host, which is the same for all accounts of a partition."""
        host = _host(self.connection)
        return f"{host}/{self.connection.account}" if self.connection.account else host

    @property
    def principals(self) -> Sequence[str]:
        """The user's name."""
        return (self.config.username,)

    def check(self, known: Sequence[Credential], accepted: Sequence[str] = ()) -> list[Finding]:
        """(reads) Who the admin is, the user, its slots, strangers, and what the admin may do. Admin refused: `Denied`."""
        return Checkup(self, known, accepted).findings()

    def verify(self, credential: Credential) -> str:
        """(reads) Ask STS who this key is; returns the ARN. Another user or account is `Unfit`; a wrong or dead key `Rejected`."""
        if credential.secret is None:
            raise Unreachable(f"key {credential.name} is known by its id alone; nobody can log in with it")
        text = str(self._calls.login(credential, answers.of_login).get("Arn", ""))
        arn = Arn.parse(text)
        if arn is None:
            raise Unreachable("STS did not say whose key this is")
        account = self.connection.account or self.caller().account
        if arn.account != account or arn.user != self.config.username:
            raise Unfit(f"it is the key of {text}, not of user {self.config.username} in account {account}")
        return text

    def confirm_dead(self, credential: Credential) -> str:
        """(reads) No longer listed, and InvalidClientTokenId at login: a mismatch of the signature proves nothing, the key may live."""
        if self._listed(credential):
            raise Unfit("still listed")
        if credential.secret is None:
            return "no longer listed"
        no: Rejected
        try:
            who = self.verify(credential)
        except Rejected as error:
            no = error
        else:
            raise Unfit(f"still works, as {who}")
        if no.code != "InvalidClientTokenId":
            raise Unreachable("AWS still compares this key's signature, so the key may be alive", code=no.code)
        return f"{no.code}: {no.what}"

    def last_used(self, credential: Credential) -> datetime | None:
        """(reads) When AWS last saw it (minutes to hours late, by AWS's own account); never used or gone: None."""
        return self._last_used(credential.name) if self._listed(credential) else None

    def disable(self, credential: Credential, keep: Sequence[Credential]) -> None:
        """Set it Inactive. Gone is success; one that must go on working is left alone."""
        if credential.name not in {each.name for each in keep}:
            self._set(credential, "Inactive")

    def enable(self, credential: Credential) -> None:
        """Set it Active. One that is gone stays gone: the login that follows tells."""
        self._set(credential, "Active")

    def revoke(self, credential: Credential, keep: Sequence[Credential]) -> None:
        """Delete it. Gone is success; one that must go on working is left alone."""
        if credential.name not in {each.name for each in keep}:
            self._unless_gone("delete_access_key", "iam:DeleteAccessKey", AccessKeyId=credential.name)

    def issue(self, label: str) -> Credential:  # noqa: ARG002 - AWS keeps no label on a key
        """Mint a key. Two keys already: `Refused`. No answer: `Unreachable`, and it may have been minted."""
        key = self.ask("create_access_key", "iam:CreateAccessKey", UserName=self.config.username).get("AccessKey", {})
        if not key.get("AccessKeyId") or not key.get("SecretAccessKey"):
            raise Unreachable("iam:CreateAccessKey: the answer holds no key; one may have been minted")
        return Credential(name=key["AccessKeyId"], secret=Secret(key["SecretAccessKey"]))

    def live(self) -> list[Live]:
        """(reads) All keys of the user, every page, Inactive ones too."""
        return [
            Live(
                id=each["AccessKeyId"],
                created=each.get("CreateDate"),
                enabled=each.get("Status") == "Active",
                last_used=self._last_used(each["AccessKeyId"]),
            )
            for each in self.listed()
        ]

    def clock(self) -> datetime | None:
        """(reads) The `Date` of STS's answer."""
        return _date(self._who())

    def close(self) -> None:
        """Drop clients and session."""
        self._calls.close()
        self._caller = None

    def caller(self) -> Arn:
        """(reads) Who the admin is, asked once per connection."""
        if self._caller is None:
            self._caller = Arn.parse(str(self._who().get("Arn", "")))
        if self._caller is None:
            raise Unreachable("STS did not say who the admin is")
        return self._caller

    def elsewhere(self) -> Denied | None:
        """(reads) Where the connection names an account: what to say if the admin belongs to another one."""
        wanted = self.connection.account
        if wanted is None or self.caller().account == wanted:
            return None
        fix = "use the admin credential of that account, or correct `account` in the connection"
        return Denied(f"the admin belongs to account {self.caller().account}, not {wanted}", fix)

    def arn(self) -> str:
        """(reads) The user's ARN, as a policy names it."""
        caller = self.caller()
        return user_arn(caller.account, self.config.username, self.config.path, caller.partition)

    def listed(self) -> list[Mapping[str, Any]]:
        """(reads) The user's keys as AWS lists them, every page. Half a list is `Unreachable`."""
        return [each for page in self._pages() for each in page]

    def ask(self, method: str, action: str, **arguments: Any) -> Mapping[str, Any]:
        """One IAM call as the admin, errors translated; a missing right names the statement that grants it.

        An admin of another account than the connection's is `Denied`: users of the same name are others there, and keys are not listed.
        """
        if (elsewhere := self.elsewhere()) is not None:
            raise elsewhere
        denied: Denied
        try:
            return self._calls.admin("iam", method, partial(answers.of_admin, action=action), **arguments)
        except Denied as error:
            denied = error
        if denied.code in answers.NOT_ALLOWED:
            denied.fix = self.grant([action])
        raise denied

    def grant(self, actions: Sequence[str]) -> str:
        """The statement that allows these actions on the user, to paste into the admin's policy."""
        try:
            arn = self.arn()
        except PortError:
            arn = user_arn(self.connection.account or "ACCOUNT", self.config.username, self.config.path)
        return as_text(statement(actions, arn))

    def _who(self) -> Mapping[str, Any]:
        action = "sts:GetCallerIdentity"
        return self._calls.admin("sts", "get_caller_identity", partial(answers.of_admin, action=action))

    def _set(self, credential: Credential, status: str) -> None:
        self._unless_gone("update_access_key", "iam:UpdateAccessKey", AccessKeyId=credential.name, Status=status)

    def _unless_gone(self, method: str, action: str, **arguments: Any) -> None:
        try:
            self.ask(method, action, UserName=self.config.username, **arguments)
        except Refused as error:
            if error.code not in answers.NOT_THERE:
                raise

    def _listed(self, credential: Credential) -> bool:
        """Whether AWS still lists the key. A user that is gone lists nothing; then the login must tell, so a secret is needed."""
        try:
            return credential.name in {each["AccessKeyId"] for each in self.listed()}
        except Refused as error:
            if error.code not in answers.NOT_THERE or credential.secret is None:
                raise
        return False

    def _last_used(self, key: str) -> datetime | None:
        try:
            answer = self.ask("get_access_key_last_used", "iam:GetAccessKeyLastUsed", AccessKeyId=key)
        except Refused as error:
            if error.code not in answers.NOT_THERE:
                raise
            return None
        used: datetime | None = answer.get("AccessKeyLastUsed", {}).get("LastUsedDate")
        return used

    def _pages(self) -> Iterator[Sequence[Mapping[str, Any]]]:
        marker: dict[str, str] = {}
        for _ in range(PAGES):
            page = self.ask("list_access_keys", "iam:ListAccessKeys", UserName=self.config.username, **marker)
            yield page["AccessKeyMetadata"]
            if not page.get("IsTruncated"):
                return
            if not page.get("Marker") or page["Marker"] == marker.get("Marker"):
                break
            marker = {"Marker": page["Marker"]}
        raise Unreachable("iam:ListAccessKeys: the list has no end")


def _date(answer: Mapping[str, Any]) -> datetime | None:
    try:
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    except (KeyError, ValueError, TypeError):
        return None


def _host(connection: AwsConnection) -> str:
    if connection.endpoint_url is None:
        return next((host for prefix, host in HOSTS.items() if connection.region.startswith(prefix)), "iam.amazonaws.com")
    parts = urlsplit(connection.endpoint_url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
