"""`GithubActions`: the destination."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rotator.destination import Attested, Denied, Finding, Level, Place, PortError, Refused, Runtime, Secret
from rotator.destinations.github_actions.api import Api
from rotator.destinations.github_actions.client import GithubWeb
from rotator.destinations.github_actions.seal import prepare
from rotator.destinations.github_actions.settings import GithubActionsSettings
from rotator.destinations.names import refuse_misnamed
from rotator.destinations.slot import filled, refuse_pieces
from rotator.seam import Seam
from rotator.values import refuse_unfit

MOST = 48_000
"""Bytes of a secret ("Using secrets in GitHub Actions", "Limits for secrets": 48 KB)."""


class GithubActions(Attested[GithubActionsSettings]):
    """Secrets of one repository, environment or organization; the place's path is the secret's name."""

    settings = GithubActionsSettings
    by_path = True
    staleness = 3600.0  # a run reads the secrets of repository and organization when it is queued: an hour for queue and run

    def __init__(self, settings: GithubActionsSettings, runtime: Runtime, *, seam: Seam | None = None) -> None:
        super().__init__(settings, runtime)
        self._web = GithubWeb(settings, runtime, seam or Seam())
        self._api = Api(settings, runtime, self._web)

    def publish(self, place: Place, values: Mapping[str, Secret], version: str, generation: int) -> None:  # noqa: ARG002 - there is no room for them
        """Replace the secret in one request, always: nobody can see whether it is already so. Who may use it stays as it is."""
        refuse_unfit(values)
        name = self._begin(place)
        text = filled("", values, self.config.format, f"the secret {name}")
        if len(text.encode()) > MOST:
            raise Refused(f"the value for {name} is longer than {MOST} bytes", "publish fewer fields")
        what = f"publish at {name}"
        self._api.write(name, text, self._found(name, what), what)

    def mark(self, place: Place) -> str | None:
        """The time of the last write, to the second, as GitHub tells it. Raises `Refused` where nothing is there and we may not make it."""
        name = self._begin(place)
        found = self._found(name, f"look at the secret {name}")
        return str(found["updated_at"]) if found else None

    def check(self) -> list[Finding]:
        """Whether the repository, environment or organization is there. What the token may write only a write tells. Changes nothing."""
        prepare()
        self._web.begin()
        try:
            self._api.public_key(f"look at the secrets of {self.config.holder}")
        except Denied as error:
            return [Finding(Level.FAIL, "place.missing", error.what, error.fix)]
        except PortError as error:
            return [Finding(Level.WARN, "privilege.unproven", error.what, error.fix)]
        return []

    def close(self) -> None:
        """Drop connections."""
        self._web.close()

    def _begin(self, place: Place) -> str:
        """The secret's name."""
        refuse_misnamed(self.config, place)
        refuse_pieces(place, self.config.format)
        prepare()
        self._web.begin()
        return place.path

    def _found(self, name: str, what: str) -> Mapping[str, Any] | None:
        found = self._api.secret(name, what)
        if found is None and not self.config.create:
            raise Refused(f"there is no secret {name} in {self.config.holder}", "make it, correct `path`, or set `create: true`")
        return found
