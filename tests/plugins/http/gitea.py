"""A strict double of Gitea's access tokens, after its published API: POST, GET and DELETE of /users/{username}/tokens, and GET /user.

Recorded, not run. It refuses what the real one would, and what it would silently ignore as well: a field or parameter that it does not
know, a body that is no JSON. The list has no Link header, 30 items a page (at most 50), and a page past its end is empty.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from rotator.testing.servers.raw import Answer, Request, json_answer

LIST = re.compile(r"/api/v1/users/([^/]+)/tokens")
ONE = re.compile(r"/api/v1/users/([^/]+)/tokens/([^/]+)")
SCOPES = re.compile(r"(read|write):(activitypub|admin|issue|misc|notification|organization|package|repository|user)|all")


@dataclass
class Token:
    user: str
    name: str
    secret: str
    scopes: list[str]


def refuse(status: int, message: str) -> Answer:
    return json_answer({"message": message, "url": "https://gitea.internal/api/swagger"}, status)


class Gitea:
    """Answers requests. `passwords`: of each user."""

    def __init__(self, passwords: Mapping[str, str]) -> None:
        self.passwords = passwords
        self.tokens: dict[int, Token] = {}
        self._next = 1

    def make(self, user: str, name: str, scopes: list[str] | None = None) -> tuple[int, str]:
        """A token: id and secret."""
        secret, id = secrets.token_hex(20), self._next
        self.tokens[id] = Token(user, name, secret, scopes or ["read:user"])
        self._next += 1
        return id, secret

    def works(self, user: str, secret: str) -> bool:
        return any(each.secret == secret and each.user == user for each in self.tokens.values())

    def ids(self, user: str) -> list[int]:
        return [id for id, each in self.tokens.items() if each.user == user]

    def __call__(self, request: Request) -> Answer:
        parts = urlsplit(request.path)
        if parts.path == "/api/v1/user" and request.method == "GET":
            return self._whoami(request)
        for pattern, calls in ((LIST, {"GET": self._list, "POST": self._create}), (ONE, {"DELETE": self._delete})):
            if found := pattern.fullmatch(parts.path):
                call = calls.get(request.method)
                user = found[1]
                if call is None:
                    return Answer(405)
                return self._as_admin(request, user) or call(request, user, found[2] if pattern is ONE else "")
        return refuse(404, "The target couldn't be found.")

    def _whoami(self, request: Request) -> Answer:
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        token = next((each for each in self.tokens.values() if each.secret == secret), None)
        if scheme not in ("token", "Bearer") or token is None:
            return refuse(401, "invalid username, password or token")
        if not {"read:user", "write:user", "all"} & set(token.scopes):
            return refuse(403, "token does not have at least one of required scope(s): [read:user]")
        return json_answer({"id": 7, "login": token.user, "full_name": "", "is_admin": False, "active": True})

    def _as_admin(self, request: Request, user: str) -> Answer | None:
        """Tokens are managed with a name and a password alone, never with a token."""
        scheme, _, pair = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Basic":
            return refuse(401, "auth required")
        name, _, password = base64.b64decode(pair).decode().partition(":")
        if self.passwords.get(name) != password:
            return refuse(401, "invalid username, password or token")
        if user not in self.passwords:
            return refuse(404, "user redirect does not exist")
        return None if name == user else refuse(403, "only the user itself may do this")

    def _list(self, request: Request, user: str, _id: str) -> Answer:
        query = parse_qs(urlsplit(request.path).query, strict_parsing=bool(urlsplit(request.path).query))
        if set(query) - {"page", "limit"}:
            return refuse(422, "unknown parameter")
        page, limit = int(query.get("page", ["1"])[0]), min(int(query.get("limit", ["30"])[0]), 50)
        mine = self.ids(user)
        shown = [self._shown(each) for each in mine[(page - 1) * limit : page * limit]]
        return json_answer(shown, 200, X_Total_Count=str(len(mine)))

    def _shown(self, id: int, secret: str = "") -> dict[str, Any]:
        token = self.tokens[id]
        return {"id": id, "name": token.name, "sha1": secret, "token_last_eight": token.secret[-8:], "scopes": token.scopes}

    def _create(self, request: Request, user: str, _id: str) -> Answer:
        if request.headers.get("Content-Type") != "application/json":
            return refuse(422, "no JSON")
        body = json.loads(request.body)
        name, scopes = body.get("name"), body.get("scopes")
        if set(body) != {"name", "scopes"} or not isinstance(name, str) or not name or not isinstance(scopes, list):
            return refuse(422, "a field is missing, or unknown")
        if not scopes or not all(SCOPES.fullmatch(each) for each in scopes):
            return refuse(400, "invalid access token scope provided")
        if any(each.name == name and each.user == user for each in self.tokens.values()):
            return refuse(400, "access token name has been used already")
        id, secret = self.make(user, name, scopes)
        return json_answer(self._shown(id, secret), 201)

    def _delete(self, _request: Request, user: str, id: str) -> Answer:
        token = self.tokens.get(int(id)) if id.isdecimal() else None
        if token is None or token.user != user:
            return refuse(404, "The target couldn't be found.")
        del self.tokens[int(id)]
        return Answer(204)
