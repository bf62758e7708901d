"""The calls of a token API as the machine's owner writes them down: where, what is sent, and where the answer holds what."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, StrictInt, field_validator, model_validator

from rotator.target import Settings
from rotator_http_token.expressions import Jmes, ends_in, same_field
from rotator_http_token.template import CONTROL, Value, names, names_within, whole

IN_URL = frozenset({"principal", "params", "label", "id", "expires"})
"""What may stand in a path or query: a secret never, since URLs end up in logs."""
Header = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]
QueryName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\[\]-]{1,64}$")]


def kinds(used: list[str]) -> set[str]:
    """`params.x` -> `params`."""
    return {each.partition(".")[0] for each in used}


def only(used: list[str], allowed: frozenset[str]) -> None:
    """`ValueError` for a placeholder that has no meaning here."""
    for each in used:
        kind, _, rest = each.partition(".")
        if kind not in allowed or bool(rest) != (kind in ("params", "secrets", "expires")):
            raise ValueError(f"{{{each}}} means nothing here; allowed: {', '.join(sorted(allowed))}")
        if kind == "expires" and rest not in ("date", "time", "seconds"):
            raise ValueError(f"{{{each}}} means nothing; there are expires.date, expires.time and expires.seconds")


class Basic(Settings):
    """HTTP Basic: `password` is the name of a secret under `secrets`, or `secret` for the rotated one."""

    username: Annotated[str, Field(min_length=1, pattern=r"^[^:\x00-\x1f]+$")]
    password: Annotated[str, Field(min_length=1)]


class Auth(Settings):
    """How a call logs in: a header with a value, or Basic."""

    header: Header = "Authorization"
    value: Annotated[str, Field(min_length=1)] | None = None
    basic: Basic | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Auth:
        if (self.value is None) == (self.basic is None):
            raise ValueError("give either `value` or `basic`")
        if self.value is not None and CONTROL.search(self.value):
            raise ValueError("a header holds no control character")
        return self

    @property
    def texts(self) -> list[str]:
        """What of it is filled in."""
        return [self.value or ""] if self.basic is None else [self.basic.username]

    @property
    def used(self) -> list[str]:
        """Its placeholders, the password of Basic with them."""
        given = [name for text in self.texts for name in names(text)]
        if self.basic is not None:
            given.append("secret" if self.basic.password == "secret" else f"secrets.{self.basic.password}")  # noqa: S105 - a name
        return given


class Call(Settings):
    """One HTTP call. `ok`: statuses that mean yes."""

    known: ClassVar[frozenset[str]] = frozenset()
    """Kinds of placeholders that have a value in this call."""
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "LIST"] = "GET"
    path: str
    query: dict[str, str] = Field(default_factory=dict)
    headers: dict[Header, str] = Field(default_factory=dict)
    json_body: Any = None
    ok: Annotated[tuple[int, ...], Field(min_length=1)] = (200,)

    @field_validator("path")
    @classmethod
    def _path(cls, value: str) -> str:
        only(names(value), cls.known & IN_URL)
        bare = re.sub(r"\{[^}]*\}", "x", value)
        if not re.fullmatch(r"/[A-Za-z0-9/._~!$&'()*+,;=:@%-]*", bare) or any(each in (".", "..") for each in bare.split("/")):
            raise ValueError("a path begins with / and holds no query, no blank, no `.` or `..` segment")
        return value

    @field_validator("query")
    @classmethod
    def _query(cls, value: dict[str, str]) -> dict[str, str]:
        only(list(names_within(value)), cls.known & IN_URL)
        return value

    @field_validator("headers")
    @classmethod
    def _headers(cls, value: dict[str, str]) -> dict[str, str]:
        only(list(names_within(value)), cls.known)
        if any(CONTROL.search(each) for each in value.values()):
            raise ValueError("a header holds no control character")
        if {each.lower() for each in value} & {"host", "content-length", "transfer-encoding", "connection", "accept-encoding"}:
            raise ValueError("this header is set by the client itself")
        return value

    @field_validator("json_body")
    @classmethod
    def _json_body(cls, value: Any) -> Any:
        only(list(names_within(value)), cls.known)
        return value

    @property
    def used(self) -> list[str]:
        """All placeholders of the call."""
        return [*names(self.path), *names_within(self.query), *names_within(self.headers), *names_within(self.json_body)]

    @property
    def needed(self) -> set[str]:
        """Placeholders that must have a value: all but those that are the whole of a query's or a body's text."""
        return {*names(self.path), *names_within(self.headers), *_needed_within(self.query), *_needed_within(self.json_body)}


def _needed_within(value: Any) -> set[str]:
    if isinstance(value, str):
        return set() if whole(value) else set(names(value))
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {name for each in inside for name in _needed_within(each)}


class Create(Call):
    """Mints a token. `id`, `secret`, `expires`: where the answer's body holds them."""

    known: ClassVar[frozenset[str]] = frozenset({"principal", "params", "label", "secrets", "expires"})
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "LIST"] = "POST"
    ok: Annotated[tuple[int, ...], Field(min_length=1)] = (200, 201)
    id: Jmes
    secret: Jmes
    expires: Jmes | None = None

    @model_validator(mode="after")
    def _public_id(self) -> Create:
        if same_field(self.id, self.secret):
            raise ValueError("`id` reads the secret: ids are written to the ledger and shown; name the field that the list and revoke know")
        return self


class Next(Settings):
    """How a list goes on after a page, one of four ways.

    `link`: as the Link header says (RFC 8288). `page`: a query parameter holds the page's number, `first` (1) for the first one; a page
    without items is the end. `cursor`, over the body: what the query parameter `query` must hold for the next page. `url`, over the body:
    where the next page is, on the same origin. A null, an empty text and false there mean that this page is the last.
    """

    link: Literal[True] | None = None
    page: QueryName | None = None
    first: Annotated[int, Field(ge=0)] | None = None
    cursor: Jmes | None = None
    query: QueryName | None = None
    url: Jmes | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Next:
        if sum(each is not None for each in (self.link, self.page, self.cursor, self.url)) != 1:
            raise ValueError("give one of `link`, `page`, `cursor` and `url`")
        if (self.cursor is None) != (self.query is None):
            raise ValueError("`cursor` and `query` go together: `query` names the parameter that holds the cursor")
        if self.page is None and self.first is not None:
            raise ValueError("`first` is the number of the first `page`")
        return self

    @property
    def parameter(self) -> str | None:
        """The query parameter that it sets."""
        return self.page or self.query


def _next(value: Any) -> Any:
    return {"link": True} if value == "link" else value


class Listing(Call):
    """Lists all tokens of the principal. `items` over the body; the others over each item. `next`: how it goes on, or `link`."""

    known: ClassVar[frozenset[str]] = frozenset({"principal", "params", "secrets"})
    items: Jmes = "@"
    id: Jmes
    created: Jmes | None = None
    label: Jmes | None = None
    last_used: Jmes | None = None
    next: Annotated[Next | None, BeforeValidator(_next)] = None

    @model_validator(mode="after")
    def _goes_on(self) -> Listing:
        if self.next is not None and self.next.parameter in self.query:
            raise ValueError("`query` sets the parameter that `next` sets")
        if self.next is not None and self.next.page is not None and "?" in self.items:
            raise ValueError(
                "`items` leaves some out, and a page of which none is left would look like the end; let `query` narrow the list"
            )
        return self


class Verify(Call):
    """Logs in with the token. The expressions are over `{status, body}`; `body` is null where the answer is no JSON."""

    known: ClassVar[frozenset[str]] = frozenset({"principal", "params", "secrets", "id", "secret"})
    auth: Auth | None = None
    identity: Jmes
    equals: Annotated[str, Field(min_length=1)]
    dead: Jmes
    unfit: Jmes | None = None

    @field_validator("equals")
    @classmethod
    def _equals(cls, value: str) -> str:
        used = names(value)
        only(used, frozenset({"principal", "params", "id"}))
        if not used:
            raise ValueError("an identity that is the same for every token proves nothing; use {principal} or {id}")
        return value

    @field_validator("auth")
    @classmethod
    def _auth(cls, value: Auth | None) -> Auth | None:
        only(value.used if value else [], cls.known)
        return value

    @model_validator(mode="after")
    def _logs_in(self) -> Verify:
        if "secret" not in kinds([*self.used, *(self.auth.used if self.auth else [])]):
            raise ValueError("nothing in this call holds {secret}: it would not log in with the token")
        return self


class Revoke(Call):
    """Kills a token by its id; the secret may be unknown. `gone`: statuses that mean it was dead already."""

    known: ClassVar[frozenset[str]] = frozenset({"principal", "params", "secrets", "id"})
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "LIST"] = "DELETE"
    ok: Annotated[tuple[int, ...], Field(min_length=1)] = (200, 202, 204)
    gone: tuple[int, ...] = (404, 410)

    @model_validator(mode="after")
    def _names_one(self) -> Revoke:
        if "id" not in self.used:
            raise ValueError("nothing in this call holds {id}: it would not name the token")
        return self


class Proof(Call):
    """Asks what the admin may do. `granted` over `{status, body}`: true, null (it does not tell), or anything else (no).

    `fix`: what an operator can do about a no.
    """

    known: ClassVar[frozenset[str]] = frozenset({"principal", "params", "secrets"})
    granted: Jmes
    fix: str | None = None


class Param(Settings):
    """A parameter that specs may give: `allow` holds patterns (`*`, `?`), one of which the value must match.

    Or a whole number from `minimum` to `maximum`, both included.
    """

    allow: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    minimum: StrictInt | None = None
    maximum: StrictInt | None = None
    optional: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Param:
        given = [self.minimum, self.maximum].count(None)
        if given == 1 or (given == 0) == (self.allow is not None):
            raise ValueError("give either `allow`, or `minimum` and `maximum`")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("`minimum` is above `maximum`")
        return self

    def admits(self, value: Value) -> bool:
        """Whether a spec may give this value. A number in quotes is no whole number."""
        if self.allow is None:
            return type(value) is int and self.minimum <= value <= self.maximum  # type: ignore[operator]  # both are given
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return any(fnmatchcase(text, pattern) for pattern in self.allow)

    @property
    def told(self) -> str:
        """What is allowed, for people."""
        return f"a whole number from {self.minimum} to {self.maximum}" if self.allow is None else ", ".join(self.allow)


class Tokens(Settings):
    """A token API. `says`: where a refusal's body holds a sentence for humans (shown only if nothing secret is in it)."""

    create: Create
    list: Listing | None = None
    verify: Verify
    revoke: Revoke
    check: Proof | None = None
    params: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")], Param] = Field(default_factory=dict)
    says: Jmes | None = None
    dead_probes: Annotated[int, Field(ge=0)] | None = None

    @property
    def calls(self) -> dict[str, Call]:
        """All calls by their name in YAML."""
        given = {"create": self.create, "list": self.list, "verify": self.verify, "revoke": self.revoke, "check": self.check}
        return {name: call for name, call in given.items() if call is not None}

    @property
    def params_used(self) -> set[str]:
        """Names of all parameters that a call mentions."""
        used = [*names(self.verify.equals), *(name for call in self.calls.values() for name in call.used)]
        return {name.partition(".")[2] for name in used if name.startswith("params.")}

    @model_validator(mode="after")
    def _whole(self) -> Tokens:
        if unknown := self.params_used - set(self.params):
            raise ValueError(f"a call uses {{params.{min(unknown)}}}, and `params` does not say what it may be")
        if unused := set(self.params) - self.params_used:
            raise ValueError(f"no call uses the parameter {min(unused)}")
        if "principal" not in [*self.create.used, *names(self.verify.equals)]:
            raise ValueError("neither `create` nor `verify.equals` holds {principal}: `allow` would bind nothing")
        if self.list is not None and ends_in(self.create.secret, self.list.id) and not ends_in(self.create.id, self.list.id):
            raise ValueError(
                "`list.id` names the field of `create.secret`: ids are written to the ledger and shown; name that of `create.id`"
            )
        if self.dead_probes == 0 and self.list is None:
            raise ValueError("without `list` and with `dead_probes: 0` nobody could see whether a token is dead")
        optional = {f"params.{name}" for name, each in self.params.items() if each.optional}
        for name, call in self.calls.items():
            if late := call.needed & optional:
                raise ValueError(f"`{name}` cannot do without {{{min(late)}}}, so it is not optional")
        return self
