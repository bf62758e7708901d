"""CHECK of a token API: what can be asked without doing anything."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

from rotator.target import Credential, Denied, Finding, Level, Live, Refused

if TYPE_CHECKING:
    from rotator_http_token.http_token import HttpToken


class Checkup:
    """One CHECK. Raises `Denied` where the admin is not let in at all, `Unreachable` where the service does not answer."""

    def __init__(self, target: HttpToken, known: Sequence[Credential], accepted: Sequence[str]) -> None:
        self._target = target
        self._expected = {each.name for each in known} | set(accepted)

    def findings(self) -> list[Finding]:
        """All of them."""
        granted = self._granted()
        return [*self._listing(), *granted]

    def _listing(self) -> list[Finding]:
        if self._target.connection.tokens.list is None:
            text = "tokens cannot be listed: a token that a crash leaves behind lives until it expires or somebody finds it"
            return [Finding(Level.WARN, "stray", text, "write `list` under `tokens`, if the service has such a call")]
        try:
            live = self._target.live()
        except Denied as error:
            if error.code == str(HTTPStatus.UNAUTHORIZED.value):
                raise
            return [Finding(Level.FAIL, "privilege.missing", error.what, error.fix)]
        except Refused as error:
            if error.fix is not None:  # a page after the first: the principal is there
                return [Finding(Level.FAIL, "fitness", error.what, error.fix)]
            fix = "create it, or correct `principal`"
            return [Finding(Level.FAIL, "principal.missing", f"no tokens of {self._target.config.principal}: {error.what}", fix)]
        return [Finding(Level.OK, "login", f"the admin can list {len(live)} tokens"), *self._strangers(live)]

    def _strangers(self, live: Sequence[Live]) -> list[Finding]:
        return [
            Finding(Level.WARN, "stray", f"token {each.id} (made {each.created or 'nobody knows when'}) is none of ours")
            for each in live
            if each.id not in self._expected
        ]

    def _granted(self) -> list[Finding]:
        proof = self._target.connection.tokens.check
        unproven = Finding(
            Level.WARN, "privilege.unproven", "whether the admin may create and revoke tokens cannot be asked; the first use will tell"
        )
        if proof is None:
            return [unproven]
        values = self._target.values()
        answer = self._target.call(proof, values, "check")
        if answer.status not in proof.ok or not answer.is_json:
            problem = self._target.refusal(answer, "check", values)
            if isinstance(problem, Refused):
                return [Finding(Level.FAIL, "privilege.missing", problem.what, proof.fix)]
            raise problem
        told = answer.find(proof.granted)
        if told is None:
            return [unproven]
        if told is True:
            return [Finding(Level.OK, "ok", "the admin may create and revoke tokens, says the service")]
        return [Finding(Level.FAIL, "privilege.missing", "the admin may not create and revoke tokens, says the service", proof.fix)]
