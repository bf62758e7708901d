"""What the placeholders of one call stand for, and which parameters a spec may give."""

from __future__ import annotations

from datetime import UTC, timedelta

from rotator.errors import BadInput
from rotator.target import Credential, Runtime, Secret
from rotator_http_token.connection import HttpConnection, HttpTokenSettings
from rotator_http_token.shapes import Tokens
from rotator_http_token.template import LEFT, Value


class Values:
    """A lookup of placeholders. Secrets are read at the moment of use; `revealed` are those that no message may show."""

    def __init__(
        self,
        connection: HttpConnection,
        config: HttpTokenSettings,
        runtime: Runtime,
        credential: Credential | None = None,
        label: str | None = None,
    ) -> None:
        self._connection, self._config, self._runtime = connection, config, runtime
        self._credential, self._label = credential, label
        self.revealed: list[Secret] = []

    def __call__(self, name: str) -> Value:
        """The value of a placeholder; `LEFT` for what was not given."""
        kind, _, rest = name.partition(".")
        if kind == "params":
            value: Value = self._config.params.get(rest, LEFT)
            return value
        if kind == "expires":
            return self._expires(rest)
        if kind == "secrets":
            return self._secret(self._runtime.reveal(self._connection.secrets[rest]))
        if kind == "secret" and self._credential is not None and self._credential.secret is not None:
            return self._secret(self._credential.secret)
        plain = {"principal": self._config.principal, "label": self._label, "id": self._credential and self._credential.name}
        return plain.get(kind) or LEFT

    def _secret(self, secret: Secret) -> Secret:
        self.revealed.append(secret)
        return secret

    def _expires(self, form: str) -> Value:
        lifetime: timedelta | None = self._config.lifetime
        if lifetime is None:
            return LEFT
        if form == "seconds":
            return int(lifetime.total_seconds())
        end = (self._runtime.now() + lifetime).astimezone(UTC)
        return end.strftime("%Y-%m-%d") if form == "date" else end.strftime("%Y-%m-%dT%H:%M:%SZ")


def admit(tokens: Tokens, config: HttpTokenSettings) -> None:
    """`BadInput` where the spec's parameters or lifetime are not what the connection allows. Pure; shows no value."""
    for name, value in config.params.items():
        rule = tokens.params.get(name)
        if rule is None:
            raise BadInput(f"nothing reads the parameter {name}", fix=f"the connection takes: {', '.join(sorted(tokens.params)) or 'none'}")
        if not rule.admits(value):
            raise BadInput(f"the connection does not allow this value of the parameter {name}", fix=f"allowed: {rule.told}")
    for name, rule in tokens.params.items():
        if name not in config.params and not rule.optional:
            raise BadInput(f"the connection needs the parameter {name}", fix=f"allowed: {rule.told}")
    _admit_lifetime(tokens, config)


def _admit_lifetime(tokens: Tokens, config: HttpTokenSettings) -> None:
    takes = any(name.startswith("expires.") for name in tokens.create.used)
    if config.lifetime is not None and not takes:
        raise BadInput("nothing reads `lifetime`: the connection's `create` has no place for it")
    if config.lifetime is None and any(name.startswith("expires.") for name in tokens.create.needed):
        raise BadInput("the connection's `create` needs a `lifetime`", fix="lifetime: 90d")
