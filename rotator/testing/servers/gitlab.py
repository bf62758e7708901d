"""A strict double of GitLab's REST API, for CI/CD variables of projects and groups.

Derived from GitLab's reference ("Project-level CI/CD variables API", "Group-level CI/CD variables API", "Personal access tokens API",
"Mask a CI/CD variable"). It is stricter than GitLab where that only ignores: an unknown attribute or query is refused.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from rotator.testing.servers import api
from rotator.testing.servers.raw import Answer, Request, json_answer

_VARIABLES = re.compile(r"/api/v4/(?P<kind>projects|groups)/(?P<holder>[^/]+)/variables(?:/(?P<key>[A-Za-z0-9_]+))?")
_MASKED, _MASKED_AND_RAW = re.compile(r"[a-zA-Z0-9_+=/@:.~-]{8,}"), re.compile(r"\S{8,}")
SWITCHES = {"masked", "protected", "raw"}
TEXTS = {"value", "variable_type", "environment_scope", "description"}
NEW = {
    "variable_type": "env_var", "protected": False, "masked": False, "hidden": False, "raw": False,
    "environment_scope": "*", "description": None,
}  # fmt: skip
Variable = dict[str, Any]


class No(api.No):
    """The request is refused with this status."""

    def __init__(self, status: int, message: Any) -> None:
        super().__init__(status, {"message": message})


@dataclass
class Token:
    """An access token: its scopes, and its role in each project or group."""

    roles: dict[str, str] = field(default_factory=dict)
    scopes: tuple[str, ...] = ("api",)
    expires_at: str | None = None


class GitlabServer(api.ApiServer):
    """The API under `/api/v4`, on a free port of 127.0.0.1. `before` sees each request, and may answer it before the API does."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens: dict[str, Token] = {}
        self.variables: dict[str, list[Variable]] = {}
        """`projects/team/app` -> its variables."""

    def put(self, holder: str, key: str, value: str, **more: Any) -> Variable:
        """As somebody makes it by hand. One that is hidden has its value kept beside what the API shows."""
        made = {**NEW, "key": key, "value": None if more.get("hidden") else value, **more}
        self.variables[holder] = [*(each for each in self.variables[holder] if _slot(each) != _slot(made)), made]
        return made

    def value(self, holder: str, key: str, scope: str = "*") -> str:
        """What jobs get."""
        (found,) = [each["value"] for each in self.variables[holder] if _slot(each) == (key, scope)]
        return str(found)

    def handle(self, request: Request) -> Answer:
        """What the API does with it."""
        parts = urlsplit(request.path)
        query = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        token = self.tokens.get(request.headers.get("PRIVATE-TOKEN") or request.headers.get("Private-Token", ""))
        if token is None:
            raise No(401, "401 Unauthorized")
        if parts.path == "/api/v4/personal_access_tokens/self" and request.method == "GET":
            return json_answer({"id": 1, "scopes": list(token.scopes), "expires_at": token.expires_at, "active": True})
        match = _VARIABLES.fullmatch(parts.path)
        if not match:
            raise No(404, "404 Not Found")
        holder = f"{match['kind']}/{unquote(match['holder'])}"
        self._admit(token, holder, request.method)
        if match["key"] is None:
            return self._collection(request, holder, query)
        return self._one(request, holder, match["key"], query)

    def _admit(self, token: Token, holder: str, method: str) -> None:
        role = token.roles.get(holder)
        if holder not in self.variables or role is None:
            raise No(404, f"404 {'Project' if holder.startswith('projects') else 'Group'} Not Found")
        if "api" not in token.scopes and not (method == "GET" and "read_api" in token.scopes):
            raise No(403, "insufficient_scope")
        if role not in (("maintainer", "owner") if holder.startswith("projects") else ("owner",)):
            raise No(403, "403 Forbidden")

    def _collection(self, request: Request, holder: str, query: dict[str, str]) -> Answer:
        if request.method == "GET":
            if set(query) - {"page", "per_page"}:
                raise No(400, "unknown query")
            return json_answer(self.variables[holder][: int(query.get("per_page", 20))])
        if request.method != "POST" or query:
            raise No(405, "405 Method Not Allowed")
        made = _attributes(request, {"key", "masked_and_hidden"})
        if not {"key", "value"} <= set(made):
            raise No(400, "key is missing, value is missing")
        made = {**NEW, **made}
        if any(_slot(each) == _slot(made) for each in self.variables[holder]):
            raise No(400, {"key": [f"({made['key']}) has already been taken"]})
        _validate(made)
        self.variables[holder].append(made)
        return json_answer(made, 201)

    def _one(self, request: Request, holder: str, key: str, query: dict[str, str]) -> Answer:
        if set(query) - {"filter[environment_scope]"}:
            raise No(400, "unknown query")
        scope = query.get("filter[environment_scope]")
        found = [each for each in self.variables[holder] if each["key"] == key and scope in (None, each["environment_scope"])]
        if not found:
            raise No(404, "404 Variable Not Found")
        if len(found) > 1:
            raise No(409, "There are multiple variables with provided parameters. Please use 'filter[environment_scope]'")
        if request.method == "PUT":
            new = {**found[0], **_attributes(request, set())}
            _validate(new)
            found[0].update(new)
        elif request.method != "GET":
            raise No(405, "405 Method Not Allowed")
        return json_answer(found[0])


def _slot(variable: Variable) -> tuple[str, str]:
    return variable["key"], variable["environment_scope"]


def _attributes(request: Request, more: set[str]) -> Variable:
    if request.headers.get("Content-Type") != "application/json":
        raise No(415, "The provided content-type is not supported.")
    try:
        found: Variable = json.loads(request.body)
    except ValueError:
        raise No(400, "400 Bad Request") from None
    if set(found) - SWITCHES - TEXTS - more:
        raise No(400, "unknown attribute")
    if not all(isinstance(value, bool if name in SWITCHES else str) for name, value in found.items()):
        raise No(400, "an attribute is invalid")
    return found


def _validate(variable: Variable) -> None:
    value = variable["value"]
    if not re.fullmatch(r"[A-Za-z0-9_]{1,255}", variable["key"]) or variable["variable_type"] not in ("env_var", "file"):
        raise No(400, "an attribute does not have a valid value")
    if variable["masked"] and not (_MASKED_AND_RAW if variable["raw"] else _MASKED).fullmatch(value):
        raise No(400, {"value": ["is invalid"]})
    if len(value) > 10_000:
        raise No(400, {"value": ["is too long (maximum is 10000 characters)"]})
