"""`HttpToken`: the target plugin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import wraps
from typing import Any, ClassVar, Concatenate, NoReturn, ParamSpec, TypeVar
from urllib.parse import urlsplit

from rotator.errors import RotatorError
from rotator.target import (
    Can,
    Credential,
    Finding,
    IssueTarget,
    Live,
    PortError,
    Refused,
    Rejected,
    Runtime,
    Secret,
    Settings,
    Unfit,
    Unreachable,
)
from rotator_http_token import answers
from rotator_http_token.check import Checkup
from rotator_http_token.connection import HttpConnection, HttpTokenSettings
from rotator_http_token.ids import NO_ID, can_be_shown, is_id, tells
from rotator_http_token.pages import NO_PAGE, Pages
from rotator_http_token.shapes import Call
from rotator_http_token.template import fill
from rotator_http_token.values import Values, admit
from rotator_http_token.wire import Answer, Outgoing, Wire, outgoing, retry_after, search

_NO_END = "correct `create.expires`: null is never"


P = ParamSpec("P")
R = TypeVar("R")


def _in_time(method: Callable[Concatenate[HttpToken, P], R]) -> Callable[Concatenate[HttpToken, P], R]:
    """A call of the contract: all that it asks for has one deadline."""

    @wraps(method)
    def bounded(self: HttpToken, /, *args: P.args, **named: P.kwargs) -> R:
        with self._wire.call():
            return method(self, *args, **named)

    return bounded


class HttpToken(IssueTarget[HttpConnection, HttpTokenSettings]):
    """The tokens of one principal. Constructing it raises `BadInput` where the spec's parameters are not what the connection allows."""

    connection_type: ClassVar[str] = "http"
    settings: ClassVar[type[Settings]] = HttpTokenSettings
    fields: ClassVar[tuple[str, str]] = ("id", "secret")

    def __init__(self, connection: HttpConnection, config: HttpTokenSettings, runtime: Runtime) -> None:
        super().__init__(connection, config, runtime)
        admit(connection.tokens, config)
        self._wire = Wire(connection, runtime)

    @property
    def can(self) -> Can:
        """Any number of tokens; the rest as the calls say."""
        tokens = self.connection.tokens
        appears, disappears = self.connection.settles
        listing = tokens.list
        return Can(
            max_live=0,
            lists=listing is not None,
            labels=listing is not None and listing.label is not None and "label" in tokens.create.used,
            tells_use=listing is not None and listing.last_used is not None,
            dead_probes=tokens.dead_probes,
            appears=appears,
            disappears=disappears,
        )

    @property
    def endpoint(self) -> str:
        """The base URL, normalised."""
        return self.connection.origin + urlsplit(self.connection.base_url).path.rstrip("/")

    @property
    def principals(self) -> Sequence[str]:
        """The principal."""
        return (self.config.principal,)

    @property
    def lifetime(self) -> float | None:
        """Seconds for which an issued token lives by itself, where the spec says so. Pure."""
        return None if self.config.lifetime is None else self.config.lifetime.total_seconds()

    @_in_time
    def check(self, known: Sequence[Credential], accepted: Sequence[str] = ()) -> list[Finding]:
        """(reads) The list, strangers, and what can be told of privileges. Admin login refused: `Denied`."""
        return Checkup(self, known, accepted).findings()

    @_in_time
    def verify(self, credential: Credential) -> str:
        """(reads) One login over a fresh connection; returns the identity that the service named.

        Dead as `verify.dead` describes it: `Rejected`. Another identity, or `verify.unfit`: `Unfit`. Anything else: `Unreachable`.
        """
        if credential.secret is None:
            raise Unreachable(f"token {credential.name} is known by its id alone; nobody can log in with it")
        call = self.connection.tokens.verify
        values = self.values(credential)
        answer = self._wire.send(outgoing(self.connection, call, values, call.auth), "verify", fresh=True)
        if answer.find(call.dead) is True:
            raise Rejected(f"verify: HTTP {answer.status}, as a dead token gets it", code=str(answer.status))
        if call.unfit is not None and answer.find(call.unfit) is True:
            raise Unfit(f"verify: HTTP {answer.status}: let in, but not allowed what it needs", code=str(answer.status))
        identity = answer.find(call.identity)
        if answer.status not in call.ok or not isinstance(identity, str | int) or isinstance(identity, bool) or identity == "":
            raise self._unreadable(answer, "verify")
        wanted = fill(call.equals, values)
        if str(identity) != wanted:
            raise Unfit(f"verify: it logs in as {answers.shown(str(identity), values.revealed)}, not as {wanted}")
        return wanted

    @_in_time
    def confirm_dead(self, credential: Credential) -> str:
        """(reads) No longer listed, and (where it may be tried) refused. Neither can be asked: `Unreachable`, for nobody has looked."""
        if credential.secret is None and not self.can.lists:
            what = f"nobody can see whether token {credential.name} is dead: its secret is not known, and tokens cannot be listed"
            raise Unreachable(what, "write `list` under `tokens` of the connection")
        return super().confirm_dead(credential)

    @_in_time
    def last_used(self, credential: Credential) -> datetime | None:
        """(reads) What the list says; never used or gone: None."""
        return next((each.last_used for each in self.live() if each.id == credential.name), None)

    @_in_time
    def revoke(self, credential: Credential, keep: Sequence[Credential]) -> None:
        """Kill it by its id. Gone is success. An id that must go on working is left alone: some services use an id again."""
        if credential.name in {each.name for each in keep}:
            return
        call = self.connection.tokens.revoke
        values = self.values(Credential(name=credential.name, secret=None))
        values.revealed += [each.secret for each in (credential, *keep) if each.secret is not None]
        answer = self.call(call, values, "revoke")
        if answer.status not in call.ok and not (answer.status in call.gone and self._is_gone(answer, credential)):
            raise self.refusal(answer, "revoke", values)

    def _is_gone(self, answer: Answer, credential: Credential) -> bool:
        """Whether "gone" is the service's own word, and not that of a proxy that knows no such path. Where tokens are listed the list tells
        it in the end; else, what is no JSON counts only where the token's own login is refused.
        """
        if answer.is_json or self.can.lists:
            return True
        try:
            self.confirm_dead(credential)
        except (Unfit, Unreachable):
            return False
        return True

    @_in_time
    def issue(self, label: str) -> Credential:
        """Mint a token. A definite no is `Refused` or `Denied`; an answer that nobody can read `Unreachable`: it may have been minted.

        One that has an end which cannot be, or an id that may not be shown, is taken back, and `Refused`.
        """
        call = self.connection.tokens.create
        values = self.values(label=label)
        answer = self.call(call, values, "create")
        if answer.status not in call.ok:
            raise self.refusal(answer, "create", values)
        name, secret = search(call.id, answer.body), search(call.secret, answer.body)
        if not is_id(name) or not isinstance(secret, str) or not secret:
            raise Unreachable("create: the answer holds no id or no secret; a token may have been minted", code=str(answer.status))
        minted = Credential(name=str(name), secret=Secret(secret))
        if not can_be_shown(name):
            self._unnamed(minted, f"cannot be shown: it is {NO_ID}", "correct `create.id`")
        if tells(minted.name, Secret(secret)):
            self._unnamed(minted, "tells the token's secret", "correct `create.id`: it must not be the secret")
        return self._dated(minted, answer)

    def _unnamed(self, minted: Credential, why: str, fix: str) -> NoReturn:
        """Its id stands in no message. What is so of one would be so of every token: `Refused`; `Unreachable` if it stays."""
        problem = f"create: the id in the answer {why}, and ids are written to the ledger and shown"
        if not self._takes_back(minted):
            raise Unreachable(f"{problem}; a token was minted and could not be taken back", "revoke it at the service, and " + fix)
        raise Refused(f"{problem}; the token was taken back", fix)

    def _dated(self, minted: Credential, answer: Answer) -> Credential:
        """With its end. One that cannot be would be so of every token: this one is taken back, and `Refused`; `Unreachable` if it stays."""
        where, problem = self.connection.tokens.create.expires, "create.expires: it is past"
        try:
            expires = None if where is None else answers.moment(search(where, answer.body), "create.expires")
            if expires is None or expires > self.runtime.now():
                return replace(minted, expires=expires)
        except Unreachable as error:
            problem = error.what
        if not self._takes_back(minted):
            raise Unreachable(f"{problem}; token {minted.name} was minted and could not be taken back", "revoke it, and " + _NO_END)
        raise Refused(f"{problem}; the token was taken back", _NO_END)

    def _takes_back(self, minted: Credential) -> bool:
        try:
            self.revoke(minted, [])
        except RotatorError:
            return False
        return True

    @_in_time
    def live(self) -> list[Live]:
        """(reads) All tokens of the principal, every page. Half a list is `Unreachable`."""
        listing = self.connection.tokens.list
        if listing is None:
            raise Unreachable("list: the connection does not say how tokens are listed")
        return [self._live(item) for item in self._items()]

    @_in_time
    def clock(self) -> datetime | None:
        """(reads) The `Date` of the list's answer."""
        listing = self.connection.tokens.list
        if listing is None:
            return None
        answer = self.call(listing, self.values(), "list")
        try:
            return parsedate_to_datetime(answer.headers["date"]).astimezone(UTC)
        except (KeyError, ValueError, TypeError):
            return None

    def close(self) -> None:
        """Drop connections."""
        self._wire.close()

    def values(self, credential: Credential | None = None, label: str | None = None) -> Values:
        """What the placeholders of one call stand for."""
        return Values(self.connection, self.config, self.runtime, credential, label)

    def call(self, call: Call, values: Values, what: str) -> Answer:
        """One call as the admin."""
        return self._wire.send(outgoing(self.connection, call, values, self.connection.auth), what)

    def refusal(self, answer: Answer, what: str, values: Values) -> PortError:
        """The error that this answer to the admin is."""
        return answers.of_admin(answer, what, self.connection, self.runtime, values.revealed)

    def _unreadable(self, answer: Answer, what: str) -> Unreachable:
        return answers.unreachable(answer, what, retry_after(answer, self.runtime))

    def _items(self) -> list[Any]:
        listing = self.connection.tokens.list
        assert listing is not None
        values = self.values()
        request = outgoing(self.connection, listing, values, self.connection.auth)
        return Pages(listing.next, request, lambda each, number: self._page(each, number, values)).whole(listing.id)

    def _page(self, request: Outgoing, number: int, values: Values) -> tuple[Answer, list[Any]]:
        listing = self.connection.tokens.list
        assert listing is not None
        what = "list" if number == 1 else f"list, page {number}"
        answer = self._wire.send(request, what)
        if answer.status not in listing.ok:
            problem = self.refusal(answer, what, values)
            problem.fix = NO_PAGE if number > 1 and isinstance(problem, Refused) else problem.fix
            raise problem
        if not answer.is_json:
            raise self._unreadable(answer, what)
        items = search(listing.items, answer.body)
        if not isinstance(items, list):
            said = f"{what}: HTTP {answer.status}, and `items` finds no list in its JSON"
            raise Unreachable(said, "let `items` of `list` name the list in the body", str(answer.status))
        return answer, items

    def _live(self, item: Any) -> Live:
        listing = self.connection.tokens.list
        assert listing is not None
        name = search(listing.id, item)
        if not is_id(name):
            raise Unreachable("list: an item has no id")
        if not can_be_shown(name):
            raise Unreachable(f"list: an item's id cannot be shown: it is {NO_ID}", "correct `list.id`")
        label = search(listing.label, item) if listing.label else None
        found: Mapping[str, datetime | None] = {
            key: answers.moment(search(where, item), f"list.{key}")
            for key, where in {"created": listing.created, "last_used": listing.last_used}.items()
            if where is not None
        }
        return Live(id=str(name), label=label if isinstance(label, str) else None, **found)  # type: ignore[arg-type]  # two dates
