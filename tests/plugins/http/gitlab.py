"""A strict double of GitLab's project access tokens, after its published API: /projects/:id/access_tokens, /personal_access_tokens/self.

Recorded, not run. It refuses what the real one would, and what it would silently ignore as well: a field or parameter that it does not
know, a number as a text. The list is paged by offset with a Link header, 20 items a page (at most 100); a revoked token stays in it.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import parse_qs, urlsplit

from rotator.testing.servers.raw import Answer, Request, json_answer

LIST = re.compile(r"/api/v4/projects/(\d+)/access_tokens")
ONE = re.compile(r"/api/v4/projects/(\d+)/access_tokens/(\d+)")
SELF = "/api/v4/personal_access_tokens/self"
SCOPES = {"api", "read_api", "read_registry", "write_registry", "read_repository", "write_repository", "create_runner"}
LEVELS = {10, 15, 20, 30, 40, 50}
FIELDS = {"name": str, "scopes": list, "access_level": int, "expires_at": str}
UNAUTHORIZED = {"message": "401 Unauthorized"}
REVOKED = {"error": "invalid_token", "error_description": "Token was revoked. You have to re-authorize from the user."}


@dataclass
class Token:
    project: int
    name: str
    secret: str
    expires: str
    level: int = 30
    revoked: bool = False


class GitLab:
    """Answers requests. `admins`: personal access tokens of Maintainers, and the projects that they may manage."""

    def __init__(self, admins: dict[str, set[int]]) -> None:
        self.admins = admins
        self.tokens: dict[int, Token] = {}

    def make(self, project: int, name: str, expires: str = "2030-01-31", level: int = 30) -> tuple[int, str]:
        """A token: id and secret."""
        id, secret = len(self.tokens) + 42, f"glpat-{secrets.token_urlsafe(15)}"
        self.tokens[id] = Token(project, name, secret, expires, level)
        return id, secret

    def works(self, secret: str) -> bool:
        return any(each.secret == secret and not each.revoked for each in self.tokens.values())

    def ids(self, project: int) -> list[int]:
        return [id for id, each in self.tokens.items() if each.project == project and not each.revoked]

    def __call__(self, request: Request) -> Answer:
        parts, secret = urlsplit(request.path), request.headers.get("PRIVATE-TOKEN", "")
        if parts.path == SELF and request.method == "GET":
            return self._self(secret)
        for pattern, calls in ((LIST, {"GET": self._list, "POST": self._create}), (ONE, {"DELETE": self._delete})):
            if found := pattern.fullmatch(parts.path):
                call = calls.get(request.method)
                if call is None:
                    return json_answer({"error": "405 Not Allowed"}, 405)
                return self._as_admin(secret, int(found[1])) or call(request, int(found[1]), int(found[2]) if pattern is ONE else 0)
        return json_answer({"error": "404 Not Found"}, 404)

    def _self(self, secret: str) -> Answer:
        found = next(((id, each) for id, each in self.tokens.items() if each.secret == secret), None)
        if found is None:
            return json_answer(UNAUTHORIZED, 401)
        return json_answer(REVOKED, 401) if found[1].revoked else json_answer(self._shown(found[0]))

    def _as_admin(self, secret: str, project: int) -> Answer | None:
        """A project's own token cannot manage tokens; a project that the admin does not see is not there."""
        if secret not in self.admins:
            return json_answer(UNAUTHORIZED, 401)
        return None if project in self.admins[secret] else json_answer({"message": "404 Project Not Found"}, 404)

    def _list(self, request: Request, project: int, _id: int) -> Answer:
        parts = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, strict_parsing=bool(parts.query)).items()}
        if set(query) - {"state", "page", "per_page"} or query.get("state", "active") not in ("active", "inactive"):
            return json_answer({"error": "state does not have a valid value"}, 400)
        ids = [id for id, each in self.tokens.items() if each.project == project]
        ids = [each for each in ids if "state" not in query or self.tokens[each].revoked == (query["state"] == "inactive")]
        page, size = int(query.get("page", "1")), min(int(query.get("per_page", "20")), 100)
        rest = "&".join(f"{name}={value}" for name, value in (query | {"per_page": str(size)}).items() if name != "page")
        url = f"http://{request.headers['Host']}{parts.path}?{rest}&page="
        last = max(1, -(-len(ids) // size))
        links = [f'<{url}1>; rel="first"', f'<{url}{last}>; rel="last"', *([f'<{url}{page + 1}>; rel="next"'] if page < last else [])]
        return json_answer([self._shown(each) for each in ids[(page - 1) * size : page * size]], 200, Link=", ".join(links))

    def _shown(self, id: int) -> dict[str, Any]:
        token = self.tokens[id]
        return {
            "id": id,
            "name": token.name,
            "scopes": ["read_api"],
            "access_level": token.level,
            "active": not token.revoked,
            "revoked": token.revoked,
            "created_at": "2026-01-20T22:11:48.151Z",
            "last_used_at": None,
            "expires_at": token.expires,
            "user_id": 141,
        }

    def _create(self, request: Request, project: int, _id: int) -> Answer:
        if request.headers.get("Content-Type") != "application/json":
            return json_answer({"error": "The provided content-type is not supported"}, 415)
        body = json.loads(request.body)
        for name, kind in FIELDS.items():
            if type(body.get(name)) is not kind:
                return json_answer({"error": f"{name} is missing or invalid"}, 400)
        if set(body) - set(FIELDS) or not set(body["scopes"]) <= SCOPES or body["access_level"] not in LEVELS or not body["name"]:
            return json_answer({"message": "400 Bad request - a field is unknown or has no valid value"}, 400)
        id, secret = self.make(project, body["name"], date.fromisoformat(body["expires_at"]).isoformat(), body["access_level"])
        return json_answer(self._shown(id) | {"token": secret}, 201)

    def _delete(self, _request: Request, project: int, id: int) -> Answer:
        token = self.tokens.get(id)
        if token is None or token.project != project or token.revoked:
            return json_answer({"message": "404 Project Access Token Not Found"}, 404)
        token.revoked = True
        return Answer(204)
