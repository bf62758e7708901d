"""Logging in: a token as it was given, or one of our own by AppRole, Kubernetes or JWT, which is revoked at the end."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rotator.errors import Denied, PortError, Refused, Unreachable
from rotator.model import Secret
from rotator.seam import Seam
from rotator.store import Runtime
from rotator.stores.vault.settings import Auth, Kubernetes
from rotator.stores.vault.wire import Wire, unsent

MARGIN = 0.8
"""Of a login's lifetime after which the next call logs in anew: a login is never renewed."""
_NO = {
    "approle": "check `role_id`, `secret_id` and its `secret_id_num_uses` (0: any number), and from where the role may log in",
    "kubernetes": "check the role's `bound_service_account_names` and `…_namespaces`, and whether Vault may review tokens",
    "jwt": "check the role's `bound_audiences` and `bound_claims`; a CI job's token lives minutes",
}


class Login:
    """The login of one instance; made at the first call."""

    def __init__(self, auth: Auth, wire: Wire, runtime: Runtime, seam: Seam) -> None:
        self._auth, self._wire, self._runtime, self._seam = auth, wire, runtime, seam
        self._until: float | None = None
        self._ours = False

    def ensure(self) -> None:
        """Hold a token that is good for a call. Raises `Denied` where the login is refused, `BadInput` where a reference cannot be read."""
        if self._wire.token is not None and (self._until is None or self._seam.ticks() < self._until):
            return
        self.leave()
        if self._auth.token is not None:
            self._wire.token = _checked(self._runtime.reveal(self._auth.token))
            return
        method, mount, body = self._credentials()
        found = self._ask(method, mount, body)
        self._wire.token, self._ours = _checked(Secret(str(found.get("client_token", "")))), True
        lifetime = found.get("lease_duration")
        self._until = self._seam.ticks() + lifetime * MARGIN if isinstance(lifetime, int) and lifetime > 0 else None

    def _credentials(self) -> tuple[str, str, dict[str, str]]:
        """The method, where it is mounted, and what proves who we are."""
        role, pod, jwt = self._auth.approle, self._auth.kubernetes, self._auth.jwt
        if role is not None:
            return "approle", role.mount, {"role_id": role.role_id, "secret_id": self._runtime.reveal(role.secret_id).reveal()}
        if pod is not None:
            return "kubernetes", pod.mount, {"role": pod.role, "jwt": _pod_token(pod)}
        assert jwt is not None
        return "jwt", jwt.mount, {"jwt": self._runtime.reveal(jwt.jwt).reveal()} | ({"role": jwt.role} if jwt.role else {})

    def _ask(self, method: str, mount: str, body: Mapping[str, str]) -> Mapping[str, Any]:
        """Once: of a login whose answer is lost nobody could revoke the token."""
        what, answer, refused = f"log in by {method} at auth/{mount}", None, "400"
        try:
            answer = self._wire.call("POST", f"auth/{mount}/login", what, body=body, again=False)
        except Refused as error:  # a login that is refused is a bad request to Vault
            refused = error.code or refused
        except Unreachable as error:
            raise unsent(error) from None
        if answer is None or answer.status == 403:  # noqa: PLR2004 - HTTP
            raise Denied(f"{what}: refused", _NO[method], refused if answer is None else "403")
        found = answer.body.get("auth") if answer.body else None
        if answer.absent or not isinstance(found, Mapping) or not found.get("client_token"):
            raise Denied(f"{what}: no token came back", "is that auth method mounted there, and without MFA?", str(answer.status))
        return found

    def leave(self) -> None:
        """Revoke a token that we made; best effort, for it ends by itself too. Never raises."""
        ours, self._ours, self._until = self._ours, False, None
        if ours and self._wire.token is not None and self._wire.answered:
            before = self._wire.end
            self._wire.begin(0.2)
            with suppress(PortError):
                self._wire.call("POST", "auth/token/revoke-self", "revoke our own token", again=False)
            self._wire.end = before
        self._wire.token = None


def _checked(token: Secret) -> Secret:
    """A token that may stand in a header."""
    text = token.reveal()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise Denied("what was given as a Vault token is none", "it is one word of ASCII, such as hvs.… or s.…")
    return token


def _pod_token(pod: Kubernetes) -> str:
    """The kubelet's file: it chooses the mode, and renews the file by a symbolic link, so it is read as it is."""
    try:
        return Path(pod.token).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        pass
    raise Denied(
        f"the service account token {pod.token} cannot be read", "does this run in a pod that mounts one (automountServiceAccountToken)?"
    )
