"""boto3, tamed: one login per instance, no retries of its own, deadlines from the run, nothing secret in its logs or in an error."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

from rotator.aws.answers import No, Unsure, problem, read
from rotator.aws.settings import AccountSettings, Login
from rotator.errors import BadInput, Denied, PortError, Unreachable
from rotator.extras import lacking
from rotator.model import Secret
from rotator.seam import Seam
from rotator.trust import forget_environment

PAUSE = 0.005
"""Seconds: the most that a call waits before it is sent again after it was cut off; doubled each time, at most `PAUSE_MOST`."""
PAUSE_MOST = 1.0
ONE = 0.25
"""Of a call's time: how long one answer is waited for."""
MARGIN = timedelta(minutes=2)
"""A session that ends sooner is made anew."""


class Runtime(Protocol):
    """What of a port's `Runtime` is used here."""

    @property
    def reveal(self) -> Callable[[Any], Secret]:
        """Reads a secret reference."""

    @property
    def now(self) -> Callable[[], datetime]:
        """The wall clock, UTC."""

    @property
    def timeout(self) -> float:
        """Seconds for one call."""


class Wire:
    """Calls to one service with one login, one after another. `begin` sets the end by which all calls of an operation are done."""

    def __init__(self, settings: AccountSettings, login: Login, runtime: Runtime, seam: Seam) -> None:
        self._settings, self._login, self._runtime, self._seam = settings, login, runtime, seam
        self._session: Any = None
        self._client: Any = None
        self._until: datetime | None = None
        self._end: float | None = None
        self._told: tuple[datetime, float] | None = None

    # ---- time

    def begin(self) -> None:
        """An operation begins: it ends before the call's own deadline does, so that the message says why."""
        self._end = self._seam.ticks() + self._runtime.timeout * 0.9

    @property
    def left(self) -> float:
        """Seconds until the operation must end."""
        return 0.0 if self._end is None else self._end - self._seam.ticks()

    @property
    def reserve(self) -> float:
        """Seconds that are kept for the one read which decides about a write that got no answer."""
        return self._runtime.timeout * (ONE - 0.1)

    def pause(self, tries: int) -> None:
        """Before the next try, for which there is time left."""
        self._seam.sleep(max(0.0, min(self._seam.jitter(min(PAUSE * 2**tries, PAUSE_MOST)), self.left - self.reserve)))

    @property
    def clock(self) -> datetime | None:
        """The service's time, by the `Date` of its last answer (RFC 9110, section 6.6.1) and our own clock that only goes forward."""
        if self._told is None:
            return None
        date, ticks = self._told
        return date + timedelta(seconds=self._seam.ticks() - ticks)

    # ---- calls

    def ask(self, method: str, what: str, line: str, *expected: str, **arguments: Any) -> Mapping[str, Any] | No:
        """(reads) Call, and call again where no answer came, while there is time."""
        tries = 0
        while True:
            try:
                return self.call(method, what, line, *expected, **arguments)
            except Unreachable as error:
                tries += 1
                if not isinstance(error, Unsure) or error.answered or self.left < self.reserve + PAUSE_MOST:
                    raise
                self.pause(tries)

    def call(self, method: str, what: str, line: str, *expected: str, **arguments: Any) -> Mapping[str, Any] | No:
        """Call once. Returns the answer, or a `No` whose code is among `expected`; raises what any other error means.

        `line`: the statement of the policy that the call needs.
        """
        if self.left <= 0:
            raise Unreachable(f"{what}: no answer in time", "is the endpoint, or the way to it, overloaded?")
        answer = self._once(lambda: getattr(self._open(), method)(**arguments))
        if not isinstance(answer, No):
            return answer
        if answer.definite and answer.code in expected:
            return answer
        raise problem(answer, what, line)

    def identity(self, what: str) -> str:
        """(reads) The ARN of who we are; needs no permission (STS API Reference, GetCallerIdentity)."""
        answer = self._once(lambda: self._of("sts").get_caller_identity())
        if isinstance(answer, No):
            raise problem(answer, what, "")
        return str(answer.get("Arn", ""))

    def knows_region(self) -> bool:
        """(reads) Whether boto3 has heard of the region; asks nobody."""
        session = self._base({"aws_access_key_id": "-", "aws_secret_access_key": "-"})
        every = (session.get_available_regions(self._settings.service, partition) for partition in session.get_available_partitions())
        return any(self._settings.region in each for each in every)

    def simulate(self, arn: str, actions: list[str], resources: list[str], region: str) -> Mapping[str, Any] | No:
        """(reads) Which of these actions our policies allow there."""
        context = [{"ContextKeyName": "aws:RequestedRegion", "ContextKeyType": "string", "ContextKeyValues": [region]}]
        asked = {"PolicySourceArn": arn, "ActionNames": actions, "ResourceArns": resources, "ContextEntries": context}
        return self._once(lambda: self._of("iam").simulate_principal_policy(**asked))

    def _once(self, send: Callable[[], Any]) -> Mapping[str, Any] | No:
        """The answer, or what an exception of boto3 means; of the exception nothing is kept: it may carry what was sent."""
        raised: PortError | BadInput
        try:
            answer = send()
        except (PortError, BadInput) as error:
            raised = error
        except Exception as error:  # noqa: BLE001 - botocore's parser errors share no base with its others
            return read(error)
        else:
            self._note_date(answer)
            return answer if isinstance(answer, Mapping) else No("unreadable")
        raised.__context__ = None
        raise raised

    def _note_date(self, answer: Any) -> None:
        try:
            date = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        except (KeyError, TypeError, ValueError):
            return
        self._told = (date if date.tzinfo else date.replace(tzinfo=UTC), self._seam.ticks())

    # ---- the session

    def _open(self) -> Any:
        """The client; its login is proven to be of `account` before the first call."""
        if self._client is not None and (self._until is None or self._runtime.now() < self._until - MARGIN):
            return self._client
        self.close()
        self._until, self._session = self._log_in()
        wanted, role = self._settings.account, self._login.role
        if wanted is not None and role is None:
            found = self.identity("log in at AWS").split(":")
            if found[4:5] != [wanted]:
                raise Denied(
                    f"the login belongs to account {''.join(found[4:5])}, not {wanted}", "use one of that account, or correct `account`"
                )
        if wanted is not None and role is not None and role.account != wanted:
            raise Denied(f"the role belongs to account {role.account}, not {wanted}", "correct `account` or the role's `arn`")
        self._client = self._of(self._settings.service)
        return self._client

    def _log_in(self) -> tuple[datetime | None, Any]:
        """A session, and when it ends where a role was assumed."""
        role, keys = self._login.role, self._keys()
        session = self._base(keys)
        if role is None:
            return None, session
        what, name = f"assume the role {role.arn}", "rotator"
        self._session = session
        sts = self._of("sts", signed=role.token is None)
        if role.token is not None:
            token = self._runtime.reveal(role.token).reveal()
            answer = self._once(lambda: sts.assume_role_with_web_identity(RoleArn=role.arn, RoleSessionName=name, WebIdentityToken=token))
        else:
            more = {"ExternalId": role.external_id} if role.external_id else {}
            answer = self._once(lambda: sts.assume_role(RoleArn=role.arn, RoleSessionName=name, **more))
        if isinstance(answer, No):
            raise problem(answer, what, f"sts:AssumeRole on {role.arn}, and the role's trust policy must name who asks")
        given = answer["Credentials"]
        made = {"aws_access_key_id": given["AccessKeyId"], "aws_secret_access_key": given["SecretAccessKey"]}
        return given["Expiration"], self._base({**made, "aws_session_token": given["SessionToken"]})

    def _keys(self) -> dict[str, str]:
        own = self._login.credentials
        if own is None:
            return {}
        found = {"aws_access_key_id": own.access_key_id, "aws_secret_access_key": self._runtime.reveal(own.secret_access_key).reveal()}
        return found | ({"aws_session_token": self._runtime.reveal(own.session_token).reveal()} if own.session_token else {})

    def _base(self, keys: Mapping[str, str]) -> Any:
        """A session. With keys of its own, or a role's token, it looks at no profile of the environment."""
        try:
            import boto3
            import botocore.session
        except ModuleNotFoundError:
            raise lacking(f"the type `{self._settings.type_name}`", "boto3", "aws") from None
        _quiet()
        forget_environment()
        region, role = self._settings.region, self._login.role
        if keys or (role is not None and role.token is not None):
            alone = {"profile": (None, None, None, None), "config_file": (None, None, os.devnull, None)}
            return boto3.Session(botocore_session=botocore.session.Session(session_vars=alone), region_name=region, **keys)
        return boto3.Session(region_name=region, profile_name=self._login.profile)

    def _of(self, service: str, *, signed: bool = True) -> Any:
        """A client. Nothing of it is taken from the environment: no endpoint, no proxy, no CA bundle."""
        from botocore import UNSIGNED
        from botocore.config import Config

        if self._session is None:
            self._until, self._session = self._log_in()
        one = self._runtime.timeout * ONE
        config = Config(
            retries={"total_max_attempts": 1},
            connect_timeout=min(one, 5.0),
            read_timeout=one,
            ignore_configured_endpoint_urls=True,
            proxies={"https": self._settings.proxy} if self._settings.proxy else {},
            tcp_keepalive=True,
            **({} if signed else {"signature_version": UNSIGNED}),
        )
        return self._session.client(service, endpoint_url=self._settings.url_of(service), config=config, verify=self._verify())

    def _verify(self) -> str | bool:
        ca = self._settings.ca
        if ca is not None and not os.access(ca, os.R_OK):
            raise Denied("the certificates of `ca` cannot be read", "give a PEM file that this user may read")
        return ca or True

    def close(self) -> None:
        """Drop client and session; the next call logs in anew. Never raises."""
        client, self._client, self._session, self._until = self._client, None, None, None
        if client is not None:
            with suppress(Exception):  # close never raises, and nothing is left to save
                client.close()


def _quiet() -> None:
    """At DEBUG botocore writes whole answers, secrets with them: it never gets that low."""
    for name in ("botocore", "boto3", "urllib3"):
        logger = logging.getLogger(name)
        if logger.getEffectiveLevel() < logging.WARNING:
            logger.setLevel(logging.WARNING)
