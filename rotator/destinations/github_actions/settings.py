"""`type: github_actions` in rotator.yaml."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import quote

from pydantic import AfterValidator, Field, model_validator

from rotator.destination import Place, SecretRef, Settings
from rotator.destinations.names import Misnamed
from rotator.destinations.slot import Format
from rotator.settings import ServiceUrl
from rotator.web import Tls


def _no_dots(value: str) -> str:
    if value.rpartition("/")[2] in (".", ".."):
        raise ValueError("no name is made of dots alone")
    return value


_NAME = re.compile(r"(?!GITHUB_)[A-Z_][A-Z0-9_]{0,254}")
"""GitHub takes names in any case and shows them in capitals."""

Repository = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+/[A-Za-z0-9_.-]+$", max_length=140), AfterValidator(_no_dots)]
"""Its owner and its name."""
Environment = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$"), AfterValidator(_no_dots)]
Organization = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=39)]
Visibility = Literal["all", "private"]


class GithubActionsSettings(Settings):
    """The secrets of one repository, of one environment of it, or of an organization."""

    token: SecretRef
    api_url: ServiceUrl = "https://api.github.com"
    repository: Repository | None = None
    environment: Environment | None = None
    organization: Organization | None = None
    format: Format = Format.VALUE
    create: bool = False
    """Whether a secret that is not there is made. If not it is refused: a name may be mistyped."""
    visibility: Visibility | None = None
    """Which repositories may use a secret that is made in an organization. One that is there keeps its own."""
    tls: Tls = Tls()

    @model_validator(mode="after")
    def _one_holder(self) -> Self:
        if (self.repository is None) == (self.organization is None):
            raise ValueError("give exactly one of `repository` and `organization`")
        if self.environment is not None and self.repository is None:
            raise ValueError("an environment is one of a `repository`")
        if (self.visibility is not None) != (self.organization is not None and self.create):
            raise ValueError("`visibility` is for `organization` with `create: true`, and must be given there")
        return self

    def misnamed(self, place: Place) -> Misnamed:
        """What can be no name of a secret ("Using secrets in GitHub Actions", "Naming your secrets")."""
        if _NAME.fullmatch(place.path):
            return None
        fix = "write `path:` beside the destination: capitals, digits and _, no digit first, and not GITHUB_ first"
        return f"{place.path!r} cannot be the name of a secret", fix

    @property
    def holder(self) -> str:
        """Repository, environment or organization, for messages."""
        if self.organization:
            return f"organization {self.organization}"
        return f"environment {self.environment} of {self.repository}" if self.environment else f"repository {self.repository}"

    @property
    def path(self) -> str:
        """Where its secrets are, below `api_url`."""
        if self.organization:
            return f"/orgs/{self.organization}/actions/secrets"
        below = f"environments/{quote(self.environment, safe='')}" if self.environment else "actions"
        return f"/repos/{self.repository}/{below}/secrets"

    @property
    def permission(self) -> str:
        """What a fine-grained token needs (REST API, "Permissions required for fine-grained personal access tokens")."""
        if self.organization:
            return 'the organization permission "Secrets": read and write'
        names = 'permissions "Secrets" and "Environments"' if self.environment else 'permission "Secrets"'
        return f"the repository {names}: read and write"
