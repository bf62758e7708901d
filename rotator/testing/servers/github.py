"""A strict double of GitHub's REST API, for the Actions secrets of repositories, environments and organizations.

Derived from GitHub's reference, version 2022-11-28 ("GitHub Actions secrets", "Permissions required for fine-grained personal access
tokens", "Rate limits for the REST API"). It is stricter than GitHub where that only ignores: an unknown attribute or query is refused, and
so is a missing version. It keeps what it was sent, sealed; only a test, which has the private key beside it, can open it.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, SealedBox

from rotator.testing.servers import api
from rotator.testing.servers.raw import Answer, Request, json_answer

_SECRETS = re.compile(
    r"/(?P<kind>repos/[^/]+/[^/]+|orgs/[^/]+)/(?:actions|environments/(?P<env>[^/]+))/secrets/(?P<name>[^/]+)(?P<list>/repositories)?"
)
_NAME = re.compile(r"(?!GITHUB_)[A-Z_][A-Z0-9_]*", re.IGNORECASE)
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
LONGEST = 48 * 1024


class No(api.No):
    """The request is refused with this status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, {"message": message, "documentation_url": "https://docs.github.com/rest", "status": str(status)})


@dataclass
class Token:
    """A fine-grained token: what it may do with the secrets of each holder that it knows of (`write`, `read`, `none`)."""

    rights: dict[str, str] = field(default_factory=dict)


@dataclass
class Sealed:
    """One secret, as GitHub keeps it."""

    sealed: bytes
    about: dict[str, Any]
    repositories: list[int] = field(default_factory=list)


@dataclass
class Holder:
    """A repository, an environment (`repos/team/app/environments/prod`) or an organization (`orgs/team`), with its key."""

    secrets: dict[str, Sealed] = field(default_factory=dict)
    keys: list[PrivateKey] = field(default_factory=lambda: [PrivateKey.generate()])

    @property
    def key_id(self) -> str:
        """Of the newest key: the only one that a write may use."""
        return str(568250167242549740 + len(self.keys))


class GithubServer(api.ApiServer):
    """The API on a free port of 127.0.0.1. `before` sees each request, and may answer it before the API does."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens: dict[str, Token] = {}
        self.holders: dict[str, Holder] = {}
        self.writes = 0
        """Each is a second later than the one before."""

    # ---- what only a test may do

    def value(self, holder: str, name: str) -> str:
        """What a workflow gets."""
        kept = self.holders[holder].secrets[name].sealed
        for key in reversed(self.holders[holder].keys):
            try:
                return SealedBox(key).decrypt(kept).decode()
            except CryptoError:
                continue
        raise AssertionError("it was sealed for another key")

    def put(self, holder: str, name: str, value: str, repositories: tuple[int, ...] = (), **about: Any) -> None:
        """As somebody makes it by hand."""
        sealed = SealedBox(self.holders[holder].keys[-1].public_key).encrypt(value.encode())
        self._keep(self.holders[holder], name, Sealed(sealed, about, list(repositories)))

    # ---- the API

    def handle(self, request: Request) -> Answer:
        """What the API does with it."""
        parts, headers = urlsplit(request.path), {name.lower(): each for name, each in request.headers.items()}
        _refuse_untold(headers)
        token = self.tokens.get(headers.get("authorization", "").removeprefix("Bearer "))
        if token is None:
            raise No(401, "Bad credentials")
        match = _SECRETS.fullmatch(parts.path)
        if not match or (match["env"] and match["kind"].startswith("orgs/")):
            raise No(404, "Not Found")
        name = match["kind"] + (f"/environments/{unquote(match['env'])}" if match["env"] else "")
        holder = self._admitted(token, name, request.method)
        if match["list"]:
            return _repositories(holder, match["name"], dict(parse_qsl(parts.query, strict_parsing=True)))
        if parts.query:
            raise No(422, "unknown query")
        if request.method == "PUT":
            return self._put(request, headers, holder, match["name"], organization=name.startswith("orgs/"))
        if request.method != "GET":
            raise No(404, "Not Found")
        if match["name"] == "public-key":
            key = base64.b64encode(bytes(holder.keys[-1].public_key)).decode()
            return json_answer({"key_id": holder.key_id, "key": key})
        if match["name"] not in holder.secrets:
            raise No(404, "Not Found")
        return json_answer(holder.secrets[match["name"]].about)

    def _admitted(self, token: Token, name: str, method: str) -> Holder:
        right = token.rights.get(name)
        if name not in self.holders or right is None:
            raise No(404, "Not Found")
        if right == "none" or (right == "read" and method != "GET"):
            raise No(403, "Resource not accessible by personal access token")
        return self.holders[name]

    def _put(self, request: Request, headers: dict[str, str], holder: Holder, name: str, *, organization: bool) -> Answer:
        sent = _attributes(request, headers, organization=organization)
        if not _NAME.fullmatch(name):
            raise No(422, "Secret names can only contain alphanumeric characters or underscores")
        if sent["key_id"] != holder.key_id:
            raise No(422, "The provided public key ID is invalid")
        sealed = base64.b64decode(sent["encrypted_value"], validate=True)
        try:
            value = SealedBox(holder.keys[-1]).decrypt(sealed)
        except CryptoError:
            raise No(422, "Bad request - could not decrypt") from None
        if len(value) > LONGEST:
            raise No(422, "Secret value is too large")
        about = {"visibility": sent["visibility"]} if organization else {}
        made = name.upper() not in holder.secrets
        self._keep(holder, name.upper(), Sealed(sealed, about, sent.get("selected_repository_ids", [])))
        return json_answer({}, 201) if made else Answer(204)

    def _keep(self, holder: Holder, name: str, made: Sealed) -> None:
        self.writes += 1
        now = (BEGAN + timedelta(seconds=self.writes)).strftime("%Y-%m-%dT%H:%M:%SZ")
        created = holder.secrets[name].about["created_at"] if name in holder.secrets else now
        made.about = {**made.about, "name": name, "created_at": created, "updated_at": now}
        holder.secrets[name] = made


def _refuse_untold(headers: dict[str, str]) -> None:
    if not headers.get("user-agent"):
        raise No(403, "Request forbidden by administrative rules")
    if headers.get("accept") != "application/vnd.github+json":
        raise No(415, "Unsupported 'Accept' header")
    if headers.get("x-github-api-version") != "2022-11-28":
        raise No(400, "the version is missing or unknown")


def _attributes(request: Request, headers: dict[str, str], *, organization: bool) -> dict[str, Any]:
    if headers.get("content-type") != "application/json":
        raise No(415, "Unsupported media type")
    try:
        found: dict[str, Any] = json.loads(request.body)
    except ValueError:
        raise No(400, "Problems parsing JSON") from None
    needed = {"encrypted_value", "key_id"} | ({"visibility"} if organization else set())
    if not needed <= set(found) or set(found) - needed - ({"selected_repository_ids"} if organization else set()):
        raise No(422, "Invalid request: an attribute is missing or unknown")
    if not all(isinstance(found[name], str) for name in needed):
        raise No(422, "Invalid request: an attribute is no text")
    if organization and found["visibility"] not in ("all", "private", "selected"):
        raise No(422, "Invalid visibility")
    if ("selected_repository_ids" in found) != (found.get("visibility") == "selected"):
        raise No(422, "Repositories can be given where the visibility is selected")
    return found


def _repositories(holder: Holder, name: str, query: dict[str, str]) -> Answer:
    if name not in holder.secrets or set(query) - {"per_page", "page"}:
        raise No(404, "Not Found")
    if holder.secrets[name].about.get("visibility") != "selected":
        raise No(409, "Conflict")
    size, page = min(int(query.get("per_page", 30)), 100), int(query.get("page", 1))
    all_of_them = holder.secrets[name].repositories
    listed = [{"id": each, "name": f"app-{each}"} for each in all_of_them[(page - 1) * size : page * size]]
    return json_answer({"total_count": len(all_of_them), "repositories": listed})
