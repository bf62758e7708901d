"""The calls: a Secret is read, patched and made. Kubernetes API reference, v1 Secret."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rotator.destination import Refused
from rotator.destinations.kubernetes_secret.settings import KubernetesSecretSettings
from rotator.kubernetes.client import ABSENT, CONFLICT, MANAGER, MERGE_PATCH, TOO_LARGE, Client, object_of
from rotator.kubernetes.role import CREATE, GET, PATCH, role, rule
from rotator.web import JSON, Answer


def secret_role(namespace: str, names: Iterable[str], *, create: bool) -> dict[str, Any]:
    """All that is needed to publish in these Secrets."""
    making = [rule("", "secrets", [CREATE], [])] if create else []
    return role(namespace, [rule("", "secrets", [GET, PATCH], sorted(names) or ["THE-SECRET"]), *making])


class Api:
    """The Secrets of one namespace."""

    def __init__(self, settings: KubernetesSecretSettings, client: Client) -> None:
        self._settings, self._client = settings, client
        self._path = f"/api/v1/namespaces/{settings.namespace}/secrets"

    def secret(self, name: str, what: str) -> Mapping[str, Any] | None:
        """(reads) The Secret; None where there is none in a namespace that is there. Raises `Denied` where the namespace is not."""
        answer = self._call("GET", f"/{name}", what, name)
        if answer.status != ABSENT:
            return object_of(answer, "Secret", what)
        self._client.prove_namespace(what, self.role([name]))
        return None

    def patch(self, name: str, body: Mapping[str, Any], what: str) -> bool:
        """Merge these members into the Secret (RFC 7396). False: it is no longer the one whose `resourceVersion` stands in them."""
        answer = self._call("PATCH", f"/{name}{MANAGER}", what, name, body, MERGE_PATCH)
        return answer.status not in (CONFLICT, ABSENT) and bool(object_of(answer, "Secret", what))

    def create(self, name: str, body: Mapping[str, Any], what: str) -> bool:
        """Make the Secret. False: another was faster."""
        answer = self._call("POST", MANAGER, what, name, body)
        if answer.status == ABSENT:
            raise self._client.no_namespace(what)
        return answer.status != CONFLICT and bool(object_of(answer, "Secret", what))

    def verbs(self) -> tuple[str, ...]:
        """What we do with a Secret."""
        return (GET, PATCH, CREATE) if self._settings.create else (GET, PATCH)

    def role(self, names: Iterable[str]) -> dict[str, Any]:
        """The Role that our login needs."""
        return secret_role(self._settings.namespace, names, create=self._settings.create)

    def _call(self, method: str, path: str, what: str, name: str, body: Any = None, content: str = JSON) -> Answer:
        """Comes back: a good answer, and that something is absent or was changed meanwhile."""
        answer = self._client.call(method, self._path + path, what, self.role([name]), body, content)
        if answer.good or answer.status in (ABSENT, CONFLICT):
            return answer
        why = "it would be larger than a Secret may be" if answer.status == TOO_LARGE else "the server calls it invalid"
        fix = "a Secret has at most 1 MiB, keys of [A-Za-z0-9._-], and what its `type` asks for: look at it with kubectl describe"
        raise Refused(f"{what}: {why}", fix, str(answer.status))
