"""The calls, with what GitHub answers as our errors. No text of the server is passed on.

REST API, version 2022-11-28: "GitHub Actions secrets" of repositories, environments and organizations; "Troubleshooting the REST API".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from rotator.destination import Denied, Refused, Runtime, Unreachable
from rotator.destinations.github_actions.client import DONE, FORBIDDEN, GithubWeb
from rotator.destinations.github_actions.seal import sealed
from rotator.destinations.github_actions.settings import GithubActionsSettings
from rotator.web import Answer

VERSION = "2022-11-28"
UNKNOWN, ABSENT, WHOLE = 401, 404, 200
PAGE = 100
"""Repositories in one answer: the most that GitHub gives."""
SELECTED = "selected"


class Api:
    """The secrets of one repository, environment or organization."""

    def __init__(self, settings: GithubActionsSettings, runtime: Runtime, web: GithubWeb) -> None:
        self._settings, self._runtime, self._web = settings, runtime, web

    def secret(self, name: str, what: str) -> Mapping[str, Any] | None:
        """(reads) What GitHub tells of a secret; None where it is not in a holder that is there. `Denied` where the holder is not."""
        answer = self._call("GET", f"/{name}", what)
        if answer.status != ABSENT:
            return self._ours(answer, name, what)
        self.public_key(what)
        return None

    def public_key(self, what: str) -> tuple[str, str]:
        """(reads) The holder's public key in base64, and its id. Raises `Denied` where the holder is not there for us."""
        answer = self._call("GET", "/public-key", what)
        if answer.status == ABSENT:
            raise self._no_holder(what)
        key, number = answer.get("key"), answer.get("key_id")
        if answer.status != WHOLE or not isinstance(key, str) or not isinstance(number, str):
            raise self._stranger(answer, what)
        return key, number

    def write(self, name: str, text: str, found: Mapping[str, Any] | None, what: str) -> None:
        """Seal the text with the key of this moment, and replace the secret in one request. Twice equals once."""
        about = self._seen_by(name, found, what)
        key, number = self.public_key(what)
        value = sealed(text, key)
        if value is None:
            raise Denied(f"{what}: what GitHub gave is no public key", "is `api_url` its API?")
        answer = self._call("PUT", f"/{name}", what, {"encrypted_value": value, "key_id": number, **about})
        if answer.status == ABSENT:
            raise self._no_holder(what)
        if answer.status not in DONE:
            raise Unreachable(f"{what}: the answer is none of GitHub's", "is a proxy before it?", str(answer.status))

    def _seen_by(self, name: str, found: Mapping[str, Any] | None, what: str) -> dict[str, Any]:
        """Which repositories may use a secret of an organization: a write must say so again, and changes nothing of it."""
        if not self._settings.organization:
            return {}
        visibility = found.get("visibility") if found else self._settings.visibility
        if visibility == SELECTED:
            return {"visibility": visibility, "selected_repository_ids": self._selected(name, what)}
        return {"visibility": visibility}

    def _selected(self, name: str, what: str) -> list[int]:
        """(reads) The repositories that may use it. Raises `Unreachable` where the list is not whole: a write would take it from some.

        Several pages are read twice: where one is taken out meanwhile, another moves to a page that was read before.
        """
        numbers = self._listed(name, what)
        again = self._listed(name, what) if numbers and len(numbers) >= PAGE else numbers
        if numbers is not None and again is not None and {*numbers} == {*again}:
            return numbers
        raise Unreachable(f"{what}: the list of repositories that may use {name} is not whole", "the next run reads it anew")

    def _listed(self, name: str, what: str) -> list[int] | None:
        """All pages; None where they do not agree with what they say of how many there are."""
        numbers: dict[int, None] = {}
        told: set[int] = set()
        for page in self._pages(name, what):
            numbers |= dict.fromkeys(each["id"] for each in page.body["repositories"])
            told.add(page.body["total_count"])
        return list(numbers) if told == {len(numbers)} else None

    def _pages(self, name: str, what: str) -> Iterator[Answer]:
        more, number = True, 0
        while more:
            number += 1
            answer = self._call("GET", f"/{name}/repositories?per_page={PAGE}&page={number}", what)
            listed = answer.get("repositories")
            whole = isinstance(listed, list) and all(isinstance(each, dict) and isinstance(each.get("id"), int) for each in listed)
            if not whole or not isinstance(answer.get("total_count"), int):
                raise self._stranger(answer, what)
            more = len(listed) == PAGE
            yield answer

    # ---- calls

    def _call(self, method: str, path: str, what: str, body: Any = None) -> Answer:
        """Comes back: a good answer, and that something is not there."""
        answer = self._web.call(method, self._settings.path + path, what, self._headers(), body)
        if not answer.good and answer.status != ABSENT:
            self._refuse(answer, what)
        return answer

    def _refuse(self, answer: Answer, what: str) -> NoReturn:
        code = str(answer.status)
        if answer.status == UNKNOWN:
            raise Denied(
                f"{what}: the token is expired, revoked or of another GitHub", "give a fresh one; is `api_url` its GitHub's?", code
            )
        if answer.status == FORBIDDEN:
            fix = f"give a token of {self._settings.holder} with {self._settings.permission}"
            raise Denied(f"{what}: refused", fix, code)
        raise Refused(f"{what}: GitHub calls it invalid", "did its public key change meanwhile? Else run `rotator run` again", code)

    def _ours(self, answer: Answer, name: str, what: str) -> Mapping[str, Any]:
        found = answer.body
        if not isinstance(found, Mapping) or found.get("name") != name or not isinstance(found.get("updated_at"), str):
            raise self._stranger(answer, what)
        if self._settings.organization and found.get("visibility") not in ("all", "private", SELECTED):
            raise self._stranger(answer, what)
        return found

    def _no_holder(self, what: str) -> Denied:
        fix = f"correct `repository`, `environment`, `organization` or `api_url`; or give a token with {self._settings.permission}"
        return Denied(f"{what}: there is no {self._settings.holder} for this token", fix, str(ABSENT))

    def _stranger(self, answer: Answer, what: str) -> Denied:
        return Denied(
            f"{what}: the answer is none of GitHub's", "`api_url` is https://api.github.com, or ends in /api/v3", str(answer.status)
        )

    def _headers(self) -> dict[str, str]:
        token = self._runtime.reveal(self._settings.token).reveal()
        return {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": VERSION, "Authorization": f"Bearer {token}"}
