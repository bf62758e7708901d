"""`type: gitlab_variable` in rotator.yaml."""

from __future__ import annotations

import re
from typing import Annotated, Self
from urllib.parse import quote

from pydantic import Field, field_validator, model_validator

from rotator.destination import Place, SecretRef, Settings
from rotator.destinations.names import Misnamed
from rotator.destinations.slot import Format
from rotator.settings import ServiceUrl
from rotator.web import Tls

_KEY = re.compile(r"[A-Za-z0-9_]{1,255}")
Holder = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$", max_length=512)]
"""The full path of a project or group, or its number in quotes."""


class GitlabVariableSettings(Settings):
    """The variables of one project or group, for one scope of environments."""

    api_url: ServiceUrl
    token: SecretRef
    project: Holder | None = None
    group: Holder | None = None
    environment_scope: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9 _./$*{}-]+$")] = "*"
    format: Format = Format.VALUE
    masked: bool = True
    """The variable must be masked in job logs. False: as it is."""
    protected: bool = False
    """The variable must be for protected branches and tags alone. False: as it is."""
    hidden: bool = False
    create: bool = False
    """Whether a variable that is not there is made. If not it is refused: a key may be mistyped."""
    tls: Tls = Tls()

    @field_validator("hidden")
    @classmethod
    def _shown(cls, value: bool) -> bool:
        if value:
            raise ValueError("nobody can read a hidden variable back, and what was not seen is not published; use `masked`")
        return value

    @model_validator(mode="after")
    def _one_holder(self) -> Self:
        if (self.project is None) == (self.group is None):
            raise ValueError("give exactly one of `project` and `group`")
        return self

    def misnamed(self, place: Place) -> Misnamed:
        """What can be no key of a variable (GitLab REST API, "Project-level CI/CD variables")."""
        if _KEY.fullmatch(place.path):
            return None
        return f"{place.path!r} cannot be the key of a variable", "write `path:` beside the destination: letters, digits and _, at most 255"

    @property
    def holder(self) -> str:
        """Project or group, for messages."""
        return f"project {self.project}" if self.project else f"group {self.group}"

    @property
    def path(self) -> str:
        """Where its variables are, below `api_url`. A path counts as one part (GitLab REST API, "Namespaced paths")."""
        kind, name = ("projects", self.project) if self.project else ("groups", self.group)
        return f"/{kind}/{quote(str(name), safe='')}/variables"
