"""The calls, with what GitLab answers as our errors. No text of the server is passed on.

Project-level and group-level CI/CD variables API; REST API, "Status codes".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, NoReturn
from urllib.parse import urlencode

from rotator.destination import Denied, Refused, Runtime
from rotator.destinations.gitlab_variable.settings import GitlabVariableSettings
from rotator.web import Answer, Web

UNKNOWN, FORBIDDEN, ABSENT, SEVERAL = 401, 403, 404, 409


class Api:
    """The variables of one project or group."""

    def __init__(self, settings: GitlabVariableSettings, runtime: Runtime, web: Web) -> None:
        self._settings, self._runtime, self._web = settings, runtime, web
        self._filter = urlencode({"filter[environment_scope]": settings.environment_scope})

    def variable(self, key: str, what: str) -> Mapping[str, Any] | None:
        """(reads) The variable of our scope; None where there is none in a project that is there. `Denied` where the project is not."""
        answer = self._call("GET", f"{self._settings.path}/{key}?{self._filter}", what)
        if answer.status != ABSENT:
            return self._ours(answer, key, what)
        self.prove_holder(what)
        return None

    def prove_holder(self, what: str) -> None:
        """(reads) Raise `Denied` where project or group is not there, or its variables are not for us."""
        answer = self._call("GET", f"{self._settings.path}?per_page=1", what)
        if answer.status == ABSENT:
            fix = "correct `project`, `group` or `api_url`; or add the token's user to its members"
            raise Denied(f"{what}: there is no {self._settings.holder} for this token", fix, str(ABSENT))
        if not isinstance(answer.body, list):
            raise self._stranger(answer, what)

    def update(self, key: str, changes: Mapping[str, Any], what: str) -> bool:
        """Set these attributes of our variable. False: it is no longer there."""
        answer = self._call("PUT", f"{self._settings.path}/{key}?{self._filter}", what, changes)
        return answer.status != ABSENT and bool(self._ours(answer, key, what))

    def create(self, key: str, about: Mapping[str, Any], what: str) -> None:
        """Make the variable. Raises `Refused` where it is there by now."""
        scope = self._settings.environment_scope
        answer = self._call("POST", self._settings.path, what, {"key": key, "environment_scope": scope, **about})
        if answer.status == ABSENT:
            raise Denied(f"{what}: there is no {self._settings.holder} for this token", "correct `project` or `group`", str(ABSENT))
        self._ours(answer, key, what)

    def token(self) -> tuple[list[str], date | None] | None:
        """(reads) The scopes of our token, and its last day; None where GitLab does not tell."""
        answer = self._web.call("GET", "/personal_access_tokens/self", "look at our own token", self._login())
        scopes, ends = answer.get("scopes"), answer.get("expires_at")
        if not answer.good or not isinstance(scopes, list):
            return None
        try:
            return scopes, date.fromisoformat(ends) if ends else None
        except (TypeError, ValueError):
            return scopes, None

    # ---- calls

    def _call(self, method: str, path: str, what: str, body: Any = None) -> Answer:
        """Comes back: a good answer, and that something is not there."""
        answer = self._web.call(method, path, what, self._login(), body)
        if not answer.good and answer.status != ABSENT:
            self._refuse(answer, what)
        return answer

    def _refuse(self, answer: Answer, what: str) -> NoReturn:
        code, holder = str(answer.status), self._settings.holder
        if answer.status == UNKNOWN:
            raise Denied(
                f"{what}: the token is expired, revoked or of another GitLab", "give a fresh one; is `api_url` its GitLab's?", code
            )
        if answer.status == FORBIDDEN:
            role = "Maintainer" if self._settings.project else "Owner"
            raise Denied(f"{what}: refused", f"give a token with the scope `api` and the role {role} in {holder}", code)
        if answer.status == SEVERAL:
            raise Refused(f"{what}: several variables have this key and this scope", "remove the ones that are not meant", code)
        fix = (
            "a masked value has 8 characters at least and no blank; a value at most 10000 characters. Is a key of this scope there already?"
        )
        raise Refused(f"{what}: GitLab calls it invalid", fix, code)

    def _ours(self, answer: Answer, key: str, what: str) -> Mapping[str, Any]:
        found = answer.body
        if not isinstance(found, Mapping) or found.get("key") != key or "value" not in found:
            raise self._stranger(answer, what)
        scope = found.get("environment_scope", "*")
        if scope != self._settings.environment_scope:
            fix = (
                "GitLab Free has no scopes for groups; set `environment_scope: '*'`"
                if self._settings.group
                else "update GitLab to 13.4 or later"
            )
            raise Denied(f"{what}: GitLab answered for another scope of environments", fix)
        return found

    def _stranger(self, answer: Answer, what: str) -> Denied:
        return Denied(f"{what}: the answer is none of GitLab's", "`api_url` ends in /api/v4", str(answer.status))

    def _login(self) -> dict[str, str]:
        return {"PRIVATE-TOKEN": self._runtime.reveal(self._settings.token).reveal()}
