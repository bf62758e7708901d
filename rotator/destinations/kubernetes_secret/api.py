"""The calls: a Secret is read, patched and made, with what the API answers as our errors. No text of the server is passed on.

Statuses and reasons: Kubernetes API conventions, "HTTP Status codes"; Secrets and namespaces: Kubernetes API reference, v1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from rotator.destination import Denied, Refused, Runtime
from rotator.destinations.kubernetes_secret.role import CREATE, GET, PATCH, as_text, role
from rotator.destinations.kubernetes_secret.settings import KubernetesSecretSettings
from rotator.destinations.web import Answer, Web

MERGE_PATCH = "application/merge-patch+json"
MANAGER = "?fieldManager=rotator"
UNKNOWN, FORBIDDEN, ABSENT, CONFLICT, TOO_LARGE = 401, 403, 404, 409, 413
TOKEN_MOST = 1 << 16


@dataclass(frozen=True)
class Rights:
    """Rules of RBAC. `incomplete`: there may be more, which the server cannot list."""

    rules: Sequence[Mapping[str, Any]]
    incomplete: bool

    def allow(self, verb: str, name: str | None) -> bool:
        """Whether one of them lets us do this with this Secret; None: with any at all."""
        return any(
            _covers(rule, "apiGroups", "") and _covers(rule, "resources", "secrets") and _covers(rule, "verbs", verb)
            and (name is None or not rule.get("resourceNames") or name in rule["resourceNames"])
            for rule in self.rules
        )  # fmt: skip


def _covers(rule: Mapping[str, Any], member: str, wanted: str) -> bool:
    return bool({wanted, "*"}.intersection(rule.get(member) or ()))


class Api:
    """One namespace. `web` may be closed between two operations."""

    def __init__(self, settings: KubernetesSecretSettings, runtime: Runtime, web: Web) -> None:
        self._settings, self._runtime, self._web = settings, runtime, web
        self._path = f"/api/v1/namespaces/{settings.namespace}"

    def secret(self, name: str, what: str) -> Mapping[str, Any] | None:
        """(reads) The Secret; None where there is none in a namespace that is there. Raises `Denied` where the namespace is not."""
        answer = self._call("GET", f"/secrets/{name}", what, [name])
        if answer.status != ABSENT:
            return _object(answer, "Secret", what)
        self.prove_namespace(what, [name])
        return None

    def prove_namespace(self, what: str, names: Iterable[str] = ()) -> None:
        """(reads) Raise `Denied` where it is not there, or cannot be asked for."""
        answer = self._call("GET", "", what, names)
        if answer.status == ABSENT:
            raise Denied(f"{what}: there is no namespace {self._settings.namespace}", "correct `namespace` or `api_server`", str(ABSENT))
        _object(answer, "Namespace", what)

    def patch(self, name: str, body: Mapping[str, Any], what: str) -> bool:
        """Merge these members into the Secret (RFC 7396). False: it is no longer the one whose `resourceVersion` stands in them."""
        answer = self._call("PATCH", f"/secrets/{name}{MANAGER}", what, [name], body, MERGE_PATCH)
        return answer.status not in (CONFLICT, ABSENT) and bool(_object(answer, "Secret", what))

    def create(self, name: str, body: Mapping[str, Any], what: str) -> bool:
        """Make the Secret. False: another was faster."""
        answer = self._call("POST", f"/secrets{MANAGER}", what, [name], body)
        if answer.status == ABSENT:
            raise Denied(f"{what}: there is no namespace {self._settings.namespace}", "correct `namespace` or `api_server`", str(ABSENT))
        return answer.status != CONFLICT and bool(_object(answer, "Secret", what))

    def rights(self, what: str) -> Rights | None:
        """(reads) What our login may do in the namespace; None where the server does not tell. Every login may ask."""
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": self._settings.namespace}}
        answer = self._web.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", what, self._login(), body)
        rules = answer.get("status", "resourceRules")
        if not answer.good or not isinstance(rules, list):
            return None
        return Rights([each for each in rules if isinstance(each, Mapping)], incomplete=answer.get("status", "incomplete") is not False)

    def verbs(self) -> tuple[str, ...]:
        """What we do with a Secret."""
        return (GET, PATCH, CREATE) if self._settings.create else (GET, PATCH)

    def role(self, names: Iterable[str]) -> str:
        """The Role that our login needs."""
        return as_text(role(self._settings.namespace, names, create=self._settings.create))

    # ---- calls

    def _call(self, method: str, path: str, what: str, names: Iterable[str], body: Any = None, content: str = "application/json") -> Answer:
        """Comes back: a good answer, and that something is absent or was changed meanwhile."""
        answer = self._web.call(method, self._path + path, what, self._login(), body, content)
        if not answer.good and answer.status not in (ABSENT, CONFLICT):
            self._refuse(answer, what, names)
        return answer

    def _refuse(self, answer: Answer, what: str, names: Iterable[str]) -> NoReturn:
        code = str(answer.status)
        if answer.status == UNKNOWN:
            raise Denied(
                f"{what}: the token is expired, revoked or of another cluster", "give a fresh one; is `api_server` its cluster?", code
            )
        if answer.status == FORBIDDEN:
            fix = f"bind our login to this Role (kubectl apply -f -): {self.role(names)}"
            raise Denied(f"{what}: refused, or the namespace {self._settings.namespace} is not there", fix, code)
        why = "it would be larger than a Secret may be" if answer.status == TOO_LARGE else "the server calls it invalid"
        fix = "a Secret has at most 1 MiB, keys of [A-Za-z0-9._-], and what its `type` asks for: look at it with kubectl describe"
        raise Refused(f"{what}: {why}", fix, code)

    def _login(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token()}"}

    def _token(self) -> str:
        """Read at each use: a pod's own is renewed."""
        if self._settings.token is not None:
            return self._runtime.reveal(self._settings.token).reveal()
        path = Path(self._settings.service_account, "token")
        try:
            with path.open("rb") as file:
                return file.read(TOKEN_MOST).decode("ascii").strip()
        except (OSError, ValueError):
            pass
        fix = "run in a pod whose automountServiceAccountToken is not false, or give `api_server` and `token`"
        raise Denied(f"{path} cannot be read: there is no service account here", fix)


def _object(answer: Answer, kind: str, what: str) -> Mapping[str, Any]:
    """The object that was asked for. `Denied` where it is another: then this is no Kubernetes API."""
    if not answer.good or answer.get("kind") != kind or not isinstance(answer.get("metadata", "resourceVersion"), str):
        raise Denied(f"{what}: the answer is no {kind} of Kubernetes", "correct `api_server`", str(answer.status))
    found: Mapping[str, Any] = answer.body
    return found
