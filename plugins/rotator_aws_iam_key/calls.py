"""boto3, tamed: one session, a client per credential, no retries, deadlines from the run, nothing secret in its logs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from rotator.target import Credential, PortError, Runtime, Unreachable
from rotator_aws_iam_key.answers import No, read
from rotator_aws_iam_key.connection import AwsConnection


class Calls:
    """All that goes over the wire. Clients of the admin are kept; a login with a rotated key always gets a fresh one."""

    def __init__(self, connection: AwsConnection, runtime: Runtime) -> None:
        self._connection, self._runtime = connection, runtime
        self._session: Any = None
        self._plain: Any = None
        """Without the admin: only what each client costs less with."""
        self._clients: dict[str, Any] = {}

    def admin(self, service: str, method: str, translate: Callable[[No], PortError], /, **arguments: Any) -> Mapping[str, Any]:
        """Call once as the admin. Raises what `translate` makes of an error, with nothing of the original in it."""

        def send() -> Any:
            if service not in self._clients:
                self._clients[service] = self._client(service, self._admin_session(), {})
            return getattr(self._clients[service], method)(**arguments)

        return _once(send, translate)

    def login(self, credential: Credential, translate: Callable[[No], PortError]) -> Mapping[str, Any]:
        """Ask STS who this key is, over a connection of its own."""

        def send() -> Any:
            assert credential.secret is not None
            import boto3

            self._plain = self._plain or boto3.Session(region_name=self._connection.region)
            keys = {"aws_access_key_id": credential.name, "aws_secret_access_key": credential.secret.reveal()}
            client = self._client("sts", self._plain, keys)
            try:
                return client.get_caller_identity()
            finally:
                client.close()

        return _once(send, translate)

    def close(self) -> None:
        """Drop clients and session; the next call makes new ones."""
        clients, self._clients, self._session = self._clients, {}, None
        for client in clients.values():
            try:
                client.close()
            except Exception:  # noqa: BLE001, S112 - close never raises, and nothing is left to save
                continue

    def _admin_session(self) -> Any:
        import boto3

        if self._session is None:
            keys: dict[str, str] = {}
            if own := self._connection.credentials:
                secret = self._runtime.reveal(own.secret_access_key)
                keys = {"aws_access_key_id": own.access_key_id, "aws_secret_access_key": secret.reveal()}
            self._session = boto3.Session(region_name=self._connection.region, profile_name=self._connection.profile, **keys)
        return self._session

    def _client(self, service: str, session: Any, keys: Mapping[str, str]) -> Any:
        from botocore.config import Config

        _quiet()
        config = Config(
            retries={"total_max_attempts": 1},
            connect_timeout=self._runtime.timeout / 3,
            read_timeout=self._runtime.timeout / 2,
            ignore_configured_endpoint_urls=True,
            proxies={} if self._connection.on_loopback else None,
        )
        verify = True  # said, since botocore would else trust what AWS_CA_BUNDLE names
        return session.client(service, endpoint_url=self._connection.endpoint_url, config=config, verify=verify, **keys)


def _quiet() -> None:
    """At DEBUG botocore writes whole answers, the new secret with them: it never gets that low."""
    logger = logging.getLogger("botocore")
    if logger.getEffectiveLevel() < logging.INFO:
        logger.setLevel(logging.INFO)


def _once(send: Callable[[], Any], translate: Callable[[No], PortError]) -> Mapping[str, Any]:
    """The answer, or the translated error: raised outside the handler, so that it drags no context along."""
    problem: PortError
    try:
        answer = send()
    except PortError as error:
        problem = error
    except Exception as error:  # noqa: BLE001 - botocore's parser errors share no base with its others
        problem = translate(read(error))
    else:
        if isinstance(answer, Mapping):
            return answer
        problem = Unreachable("AWS answered with something that nobody can read")
    raise problem
