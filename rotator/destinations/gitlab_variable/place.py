"""`GitlabVariable`: the destination."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from rotator.destination import Denied, Destination, Finding, Level, Place, PortError, Refused, Runtime, Secret
from rotator.destinations.gitlab_variable.api import Api
from rotator.destinations.gitlab_variable.settings import GitlabVariableSettings
from rotator.destinations.names import refuse_misnamed
from rotator.destinations.slot import Format, filled, refuse_pieces, taken
from rotator.seam import Seam
from rotator.values import refuse_unfit
from rotator.web import Web

SOON = timedelta(days=14)
"""A token that ends sooner is told of: they end on a day, and nothing renews them."""
MASKABLE = re.compile(r"\S{8,}")
"""What GitLab takes as a masked value where `raw` is true (CI/CD variables, "Mask a CI/CD variable")."""
MOST = 10_000
"""Characters of a value."""


class GitlabVariable(Destination[GitlabVariableSettings]):
    """Variables of one project or group; the place's path is the variable's key."""

    settings = GitlabVariableSettings
    by_path = True
    staleness = (
        3600.0  # a job keeps what it was started with: an hour, unless its timeout says otherwise ("Set a limit for how long jobs can run")
    )

    def __init__(self, settings: GitlabVariableSettings, runtime: Runtime, *, seam: Seam | None = None) -> None:
        super().__init__(settings, runtime)
        self._web = Web("gitlab_variable", settings.api_url, settings.tls.ca, runtime.timeout, seam or Seam())
        self._api = Api(settings, runtime, self._web)
        self._asked: set[str] = set()
        """The variables that this instance was asked for: `check` looks whether they can be masked."""

    def publish(self, place: Place, values: Mapping[str, Secret], version: str, generation: int) -> None:  # noqa: ARG002 - there is no room for them
        """Set the variable in one request. Does nothing where it is already so; what is not ours in a JSON object stays."""
        refuse_unfit(values)
        key = self._begin(place)
        what = f"publish at {key}"
        found = self._found(key, what)
        old = str(found["value"]) if found else ""
        text = filled(old, values, self.config.format, f"the variable {key}")
        self._refuse_unmaskable(key, text, found)
        changes = {"value": text, **self._attributes()}
        if found is None:
            self._api.create(key, changes, what)
        elif any(found.get(name) != each for name, each in changes.items()) and not self._api.update(key, changes, what):
            self._refuse_missing(key)
            self._api.create(key, changes, what)

    def published(self, place: Place) -> Mapping[str, Secret]:
        """Read afresh, as a job that starts now gets it. Raises `Refused` where GitLab hides the value."""
        key = self._begin(place)
        found = self._found(key, f"read the variable {key}")
        return taken(str(found["value"]), place, self.config.format, f"the variable {key}") if found else {}

    def check(self) -> list[Finding]:
        """Whether the project is there, what the token may do, and whether what stands there can be masked. Changes nothing."""
        self._web.begin()
        try:
            self._api.prove_holder(f"look at the variables of {self.config.holder}")
            return [*self._about_token(), *self._unmaskable()]
        except Denied as error:
            return [Finding(Level.FAIL, "place.missing", error.what, error.fix)]
        except PortError as error:
            return [Finding(Level.WARN, "privilege.unproven", error.what, error.fix)]

    def close(self) -> None:
        """Drop connections."""
        self._web.close()

    def _begin(self, place: Place) -> str:
        """The variable's key."""
        refuse_misnamed(self.config, place)
        refuse_pieces(place, self.config.format)
        self._asked.add(place.path)
        self._web.begin()
        return place.path

    def _found(self, key: str, what: str) -> Mapping[str, Any] | None:
        found = self._api.variable(key, what)
        if found is None:
            self._refuse_missing(key)
        elif found.get("hidden") is True or not isinstance(found["value"], str):
            fix = "delete it and make it anew with visibility `Masked`: nobody can read a hidden one back"
            raise Refused(f"{what}: the variable {key} is masked and hidden", fix)
        return found

    def _attributes(self) -> dict[str, bool]:
        """What each write says beside the value; it never loosens what somebody made stricter."""
        wanted = {"masked": self.config.masked, "protected": self.config.protected}
        return {"raw": True, **{name: True for name, each in wanted.items() if each}}

    def _refuse_unmaskable(self, key: str, text: str, found: Mapping[str, Any] | None) -> None:
        masked = self.config.masked or (found is not None and found.get("masked") is True)
        if masked and not MASKABLE.fullmatch(text):
            fix = "use longer secrets without blanks; or set `masked: false`, and unmask the variable"
            raise Refused(f"the value for {key} is shorter than 8 characters or holds a blank: GitLab cannot mask it", fix)
        if len(text) > MOST:
            raise Refused(f"the value for {key} is longer than {MOST} characters", "publish fewer fields")

    def _unmaskable(self) -> Iterator[Finding]:
        """Objects in which what is not ours, and stays as it is, holds a blank: with it nothing could be written."""
        for key in sorted(self._asked if self.config.format is Format.JSON else ()):
            found = self._api.variable(key, f"read the variable {key}") or {}
            masked, text = self.config.masked or found.get("masked") is True, found.get("value")
            if masked and isinstance(text, str) and re.search(r"\s", text):
                fix = "write it without blanks and line ends (`jq -c .`), or set `masked: false`, and unmask the variable"
                yield Finding(Level.FAIL, "place.missing", f"the object in {key} holds a blank: GitLab cannot mask it", fix)

    def _refuse_missing(self, key: str) -> None:
        if not self.config.create:
            where = f"{self.config.holder} with the scope {self.config.environment_scope}"
            raise Refused(f"there is no variable {key} in {where}", "make it, correct `path`, or set `create: true`")

    def _about_token(self) -> Iterator[Finding]:
        told = self._api.token()
        if told is None:
            text = "GitLab does not tell what the token may do; the first use will tell"
            yield Finding(Level.WARN, "privilege.unproven", text, "use a project, group or personal access token")
            return
        scopes, ends = told
        if "api" not in scopes:
            yield Finding(Level.FAIL, "privilege.missing", "the token may not write variables", "give one with the scope `api`")
        if ends is not None and ends <= (self.runtime.now() + SOON).date():
            yield Finding(Level.WARN, "principal.expired", f"the token ends on {ends}", "give a fresh one before that day")
