"""Documents of one KV version 2 mount: proven to be one before the first of them is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from rotator.errors import Denied
from rotator.stores.vault.answers import Answer, stranger
from rotator.stores.vault.login import Login
from rotator.stores.vault.policy import Line, Policy
from rotator.stores.vault.settings import VaultSettings
from rotator.stores.vault.wire import Wire


@dataclass(frozen=True)
class Document:
    """The newest version of a document. `data` is None where that version was deleted or destroyed."""

    version: int
    data: Mapping[str, Any] | None = field(repr=False)
    vanishes: bool = False
    """The server deletes it by itself, later."""


class Kv:
    """All calls on the mount. Those that change something return None where the check-and-set came late."""

    def __init__(self, settings: VaultSettings, wire: Wire, login: Login, *, consumer: bool = False) -> None:
        self._settings, self._wire, self._login, self._consumer = settings, wire, login, consumer
        self._keeps: int | None = None
        self.policy = Policy(settings)

    # ---- the mount

    def open(self) -> int:
        """Log in, and prove once that this is a KV version 2 mount that deletes nothing by itself. Raises `Denied` where it is not.

        Returns how many versions the mount keeps of each key, at least; 0 and 1: as the key says. A consumer need not know.
        """
        self._login.ensure()
        if self._keeps is None:
            self._prove_kind()
            self._keeps = 0 if self._consumer else self._prove_config()
        return self._keeps

    def _prove_kind(self) -> None:
        """A version 1 mount would take our writes and ignore the check-and-set in them."""
        mount = self._settings.mount
        what = f"open the mount {self._settings.where('')}"
        answer = self._wire.call("GET", f"sys/internal/ui/mounts/{mount}/{self._settings.prefix}", what)
        if answer.status == 403 or answer.absent:  # noqa: PLR2004 - HTTP
            self._refuse(answer, what, self.policy.own)
        found, options = answer.data, answer.data.get("options")
        path = str(found.get("path", "")).strip("/")
        if path != mount and not mount.endswith(f"/{path}"):
            raise Denied(f"{what}: the mount there is {path}/", "correct `mount`; what follows it belongs to `prefix` or the path")
        version = options.get("version") if isinstance(options, Mapping) else None
        if found.get("type") not in ("kv", "generic") or version != "2":
            kind = f"{found.get('type')} version {version or 1}" if found.get("type") == "kv" else str(found.get("type"))
            raise Denied(
                f"{what}: it is {kind}, not KV version 2", f"`bao secrets enable -path={mount} -version=2 kv`, or name another mount"
            )

    def _prove_config(self) -> int:
        what = f"read the configuration of the mount {self._settings.where('')}"
        answer = self._wire.call("GET", f"{self._settings.mount}/config", what)
        if answer.status == 403 or answer.absent:  # noqa: PLR2004 - HTTP
            self._refuse(answer, what, self.policy.config)
        if answer.data.get("delete_version_after", "0s") not in ("", "0s", 0, None):
            fix = f"name a mount without `delete_version_after`, or `bao write {self._settings.mount}/config delete_version_after=0s`"
            raise Denied(f"{what}: it deletes versions by itself, and a record would vanish", fix)
        versions = answer.data.get("max_versions")
        return versions if isinstance(versions, int) else 0

    def forget(self) -> None:
        """The next call proves the mount anew."""
        self._keeps = None

    # ---- documents

    def get(self, path: str, what: str, line: Line) -> Document | None:
        """(reads) The newest version; None where nothing was ever written."""
        self.open()
        answer = self._call("GET", f"data/{path}", what, line)
        if answer.absent:
            return None
        about = answer.data.get("metadata")
        about = about if isinstance(about, Mapping) else {}
        data, version = answer.data.get("data"), about.get("version")
        if not isinstance(version, int) or (data is not None and not isinstance(data, Mapping)):
            raise Denied(f"{what}: the answer is no document of KV version 2", "correct `mount`", str(answer.status))
        good = answer.status == 200  # noqa: PLR2004 - HTTP
        return Document(version, (data or {}) if good else None, good and bool(about.get("deletion_time")))

    def put(self, path: str, data: Mapping[str, Any], cas: int, what: str, line: Line, *, again: bool = False) -> Document | None:
        """Write a whole document over version `cas` (0: there is none)."""
        self.open()
        return self._written(self._call("POST", f"data/{path}", what, line, {"data": data, "options": {"cas": cas}}, again=again))

    def patch(self, path: str, data: Mapping[str, Any], cas: int, what: str, line: Line) -> Document | None:
        """Write these fields into version `cas` (RFC 7396), on the server: it keeps what else stands there."""
        self.open()
        body = {"data": data, "options": {"cas": cas}}
        return self._written(self._call("PATCH", f"data/{path}", what, line, body, patch=True, again=False))

    def _written(self, answer: Answer) -> Document | None:
        version = answer.data.get("version")
        if answer.status != 200 or not isinstance(version, int):  # noqa: PLR2004 - HTTP
            return None
        return Document(version, {}, bool(answer.data.get("deletion_time")))

    # ---- metadata: reads, and calls that may be repeated

    def metadata(self, path: str, what: str) -> Mapping[str, Any] | None:
        """(reads) A key's own settings and its versions; None where there is no key."""
        self.open()
        answer = self._call("GET", f"metadata/{path}", what, self.policy.metadata)
        return None if answer.absent else answer.data

    def set_metadata(self, path: str, settings: Mapping[str, Any], what: str) -> None:
        """Change a key's own settings."""
        self._call("POST", f"metadata/{path}", what, self.policy.metadata, settings)

    def destroy(self, path: str, versions: Sequence[int], what: str) -> None:
        """Remove these versions for good."""
        self._call("POST", f"destroy/{path}", what, self.policy.destroy, {"versions": list(versions)})

    def keys(self, path: str, what: str) -> list[str]:
        """(reads) What stands directly below; a folder ends in a slash."""
        self.open()
        answer = self._call("GET", f"metadata/{path}?list=true", what, self.policy.metadata)
        found = [] if answer.absent else answer.data.get("keys")
        if not isinstance(found, list):
            raise stranger(what, str(answer.status))
        return [str(each) for each in found]

    # ---- rights

    def capabilities(self, paths: Sequence[str]) -> Mapping[str, list[str]] | None:
        """(reads) What our token may do at each path; None where it may not even ask."""
        self.open()
        answer = self._wire.call("POST", "sys/capabilities-self", "ask for our own rights", body={"paths": list(paths)})
        return None if answer.status == 403 else {each: list(answer.data.get(each) or ()) for each in paths}  # noqa: PLR2004 - HTTP

    def token(self) -> Mapping[str, Any] | None:
        """(reads) What the server knows of our token; None where it tells nothing, as of one that is dead."""
        self._login.ensure()
        answer = self._wire.call("GET", "auth/token/lookup-self", "look at our own token")
        return answer.data if answer.status == 200 else None  # noqa: PLR2004 - HTTP

    # ---- calls

    def _call(self, method: str, path: str, what: str, line: Line, body: Any = None, *, patch: bool = False, again: bool = True) -> Answer:
        answer = self._wire.call(method, f"{self._settings.mount}/{path}", what, body=body, patch=patch, again=again)
        if answer.status == 403:  # noqa: PLR2004 - HTTP
            self._refuse(answer, what, line)
        return answer

    def _refuse(self, answer: Answer, what: str, line: Line) -> NoReturn:
        """Which of the two a 403 is: a token that is dead, or one that lacks a right."""
        if answer.status == 403 and self.token() is None:  # noqa: PLR2004 - HTTP
            text = "the token is expired, revoked or unknown, or it has neither this right nor the default policy"
            raise Denied(f"{what}: {text}", f"give a fresh one; its policy needs: {line}", "403")
        raise Denied(f"{what}: refused, or there is no such mount", f"its policy needs: {line}; else correct `mount`", str(answer.status))
