"""The calls that every type makes, with what the API answers as our errors. No text of the server is passed on.

Statuses and reasons: Kubernetes API conventions, "HTTP Status codes"; namespaces: Kubernetes API reference, v1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rotator.errors import Denied
from rotator.kubernetes.role import Rights, way_out
from rotator.kubernetes.settings import ClusterSettings
from rotator.model import Secret
from rotator.seam import Seam
from rotator.web import JSON, Answer, Web

MERGE_PATCH = "application/merge-patch+json"
MANAGER = "?fieldManager=rotator"
UNKNOWN, FORBIDDEN, ABSENT, CONFLICT, TOO_LARGE = 401, 403, 404, 409, 413
TOKEN_MOST = 1 << 16


class Client:
    """One namespace. `kind`: the type that asks; `reveal` reads a secret reference; `timeout`: seconds of an operation.

    `role` of a call is the Role that it needs, for the message where it is refused.
    """

    def __init__(self, kind: str, settings: ClusterSettings, reveal: Callable[[Any], Secret], timeout: float, seam: Seam) -> None:
        self._settings, self._reveal = settings, reveal
        self._web = Web(kind, settings.address, settings.ca, timeout, seam)

    def begin(self) -> None:
        """An operation begins. In a pod over a new connection each time: the cluster's certificate may have been renewed."""
        if self._settings.in_cluster:
            self._web.close()
        self._web.begin()

    @property
    def left(self) -> float:
        """Seconds until the operation must end."""
        return self._web.left

    def close(self) -> None:
        """Drop connections. Never raises."""
        self._web.close()

    def call(self, method: str, path: str, what: str, role: Mapping[str, Any], body: Any = None, content: str = JSON) -> Answer:
        """Send once. Comes back: a good answer, and a no that is not about our login or its rights; those raise `Denied`."""
        answer = self._web.call(method, path, what, self._login(), body, content)
        code = str(answer.status)
        if answer.status == UNKNOWN:
            fix = "give a fresh one; is `api_server` its cluster?"
            raise Denied(f"{what}: the token is expired, revoked or of another cluster", fix, code)
        if answer.status == FORBIDDEN:
            raise Denied(f"{what}: refused, or the namespace {self._settings.namespace} is not there", way_out(role), code)
        return answer

    def prove_namespace(self, what: str, role: Mapping[str, Any]) -> None:
        """(reads) Raise `Denied` where it is not there, or cannot be asked for."""
        answer = self.call("GET", f"/api/v1/namespaces/{self._settings.namespace}", what, role)
        if answer.status == ABSENT:
            raise self.no_namespace(what)
        object_of(answer, "Namespace", what)

    def no_namespace(self, what: str) -> Denied:
        """The error that a namespace is not there."""
        return Denied(f"{what}: there is no namespace {self._settings.namespace}", "correct `namespace` or `api_server`", str(ABSENT))

    def rights(self, what: str) -> Rights | None:
        """(reads) What our login may do in the namespace; None where the server does not tell all of it. Every login may ask."""
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": self._settings.namespace}}
        answer = self._web.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", what, self._login(), body)
        rules = answer.get("status", "resourceRules")
        if not answer.good or not isinstance(rules, list) or answer.get("status", "incomplete") is not False:
            return None
        return Rights([each for each in rules if isinstance(each, Mapping)])

    def _login(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token()}"}

    def _token(self) -> str:
        """Read at each use: a pod's own is renewed."""
        if self._settings.token is not None:
            return self._reveal(self._settings.token).reveal()
        path = Path(self._settings.service_account, "token")
        try:
            with path.open("rb") as file:
                return file.read(TOKEN_MOST).decode("ascii").strip()
        except (OSError, ValueError):
            pass
        fix = "run in a pod whose automountServiceAccountToken is not false, or give `api_server` and `token`"
        raise Denied(f"{path} cannot be read: there is no service account here", fix)


def object_of(answer: Answer, kind: str, what: str) -> Mapping[str, Any]:
    """The object that was asked for. `Denied` where it is another: then this is no Kubernetes API."""
    if not answer.good or answer.get("kind") != kind or not isinstance(answer.get("metadata", "resourceVersion"), str):
        raise Denied(f"{what}: the answer is no {kind} of Kubernetes", "correct `api_server`", str(answer.status))
    found: Mapping[str, Any] = answer.body
    return found


def annotations_of(about: Mapping[str, Any]) -> Mapping[str, str]:
    """The annotations in an object's `metadata`; none where there are none."""
    told = about.get("annotations")
    return told if isinstance(told, Mapping) else {}
