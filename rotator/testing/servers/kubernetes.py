"""A strict double of a Kubernetes API server, for Secrets and workloads: over TLS, with bearer tokens, RBAC and optimistic locking.

Derived from the Kubernetes API reference (v1 Secret, Namespace, SelfSubjectRulesReview), "Kubernetes API Concepts" (resourceVersion,
patch types) and "Using RBAC Authorization". It is stricter than a real one where that only warns: an unknown field or query is refused.
"""

from __future__ import annotations

import base64
import binascii
import copy
import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from rotator.testing.servers import api
from rotator.testing.servers.kubernetes_apps import KINDS, Workload, faults
from rotator.testing.servers.raw import Answer, Request, json_answer
from rotator.testing.servers.tls import write_certificates

MERGE, JSON = "application/merge-patch+json", "application/json"
SECRET_MOST, REQUEST_MOST, ANNOTATIONS_MOST = 1 << 20, 3 << 20, 256 << 10
FIELDS = {"apiVersion", "kind", "metadata", "data", "type", "immutable"}
META = {"name", "namespace", "annotations", "labels", "resourceVersion", "managedFields", "uid"}
_PATH = re.compile(r"/api/v1/namespaces/(?P<namespace>[a-z0-9-]+)(?:/(?P<resource>secrets)(?:/(?P<name>[a-z0-9.-]+))?)?")
_APPS = re.compile(r"/apis/apps/v1/namespaces/(?P<namespace>[a-z0-9-]+)/(?P<resource>[a-z]+)/(?P<name>[a-z0-9.-]+)")
_REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
_QUALIFIED = re.compile(r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_VERBS = {"GET": "get", "PATCH": "patch", "POST": "create"}
REASONS = {
    400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 405: "MethodNotAllowed",
    409: "Conflict", 413: "RequestEntityTooLarge", 415: "UnsupportedMediaType", 422: "Invalid",
}  # fmt: skip


class No(api.No):
    """The request is refused with this status."""

    def __init__(self, status: int, text: str, reason: str | None = None) -> None:
        told = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": text}
        super().__init__(status, {**told, "reason": reason or REASONS[status], "code": status})


@dataclass
class Cluster:
    """What is there. `roles`: token -> the Role that its login is bound to; None: cluster-admin."""

    namespaces: set[str] = field(default_factory=lambda: {"default"})
    secrets: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    workloads: dict[tuple[str, str, str], Workload] = field(default_factory=dict)
    roles: dict[str, Mapping[str, Any] | None] = field(default_factory=dict)
    revision: int = 1000

    def deploy(self, kind: str, namespace: str, name: str, pods: int = 2, **spec: Any) -> Workload:
        """Make or replace a workload, all of whose pods run."""
        made = Workload(kind, namespace, name, pods, **spec)
        self.workloads[f"{kind.lower()}s", namespace, name] = made
        return made

    def put(self, namespace: str, name: str, data: Mapping[str, str], **more: Any) -> dict[str, Any]:
        """As an administrator would make or replace it; `data` is text."""
        coded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        made = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"name": name, "namespace": namespace}, "data": coded}
        return self.save(namespace, name, {**made, **more})

    def save(self, namespace: str, name: str, secret: dict[str, Any]) -> dict[str, Any]:
        """Keep it, under a new resourceVersion."""
        self.revision += 1
        secret["metadata"] = {**secret["metadata"], "resourceVersion": str(self.revision)}
        self.secrets[namespace, name] = secret
        return secret

    def text(self, namespace: str, name: str) -> dict[str, str]:
        """What pods would read."""
        return {key: base64.b64decode(value).decode() for key, value in self.secrets[namespace, name]["data"].items()}

    def allows(self, token: str, verb: str, resource: str, namespace: str, name: str | None, group: str = "") -> bool:
        """By RBAC. A rule with `resourceNames` never grants what has no name."""
        role = self.roles[token]
        if role is None:
            return True
        return role["metadata"]["namespace"] == namespace and any(
            group in rule["apiGroups"] and resource in rule["resources"] and verb in rule["verbs"]
            and ("resourceNames" not in rule or name in rule["resourceNames"])
            for rule in role["rules"]
        )  # fmt: skip


class KubernetesServer(api.ApiServer):
    """The API of one cluster. `folder`: for its certificates; None: http."""

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__()
        self.cluster = Cluster()
        self.ca = folder / "ca.crt" if folder else None
        if folder and self.ca:
            certificate, key = folder / "server.pem", folder / "server.key"
            write_certificates(self.ca, certificate, key)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    @property
    def url(self) -> str:
        return super().url.replace("http:", "https:") if self.ca else super().url

    def handle(self, request: Request) -> Answer:
        """What the API does with it."""
        status, body = self._handle(request)
        return json_answer(body, status)

    # ---- one request

    def _handle(self, request: Request) -> tuple[int, Any]:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.cluster.roles:
            raise No(401, "Unauthorized")
        parts = urlsplit(request.path)
        query = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        if set(query) - {"fieldManager"} or len(query.get("fieldManager", "")) > 128:
            raise No(400, "unknown query")
        if parts.path == _REVIEW and request.method == "POST":
            return 201, self._review(token, _json(request, JSON))
        manager = query.get("fieldManager", "unknown")
        match = _APPS.fullmatch(parts.path)
        if match:
            return 200, self._workload(request, token, match, manager)
        match = _PATH.fullmatch(parts.path)
        if not match:
            raise No(404, "the server could not find the requested resource")
        namespace, resource, name = match["namespace"], match["resource"] or "namespaces", match["name"]
        verb = _VERBS.get(request.method, "?")
        if not self.cluster.allows(token, verb, resource, namespace, name or (namespace if resource == "namespaces" else None)):
            raise No(403, f'{resource} "{name or ""}" is forbidden: User cannot {verb} resource')
        if resource == "namespaces":
            return self._namespace(verb, namespace)
        return self._secret(request, verb, namespace, name, manager)

    def _review(self, token: str, body: Any) -> Any:
        if body.get("kind") != "SelfSubjectRulesReview" or set(body["spec"]) != {"namespace"}:
            raise No(400, "no SelfSubjectRulesReview")
        role = self.cluster.roles[token]
        every = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
        rules = every if role is None else role["rules"] if role["metadata"]["namespace"] == body["spec"]["namespace"] else []
        return {**body, "metadata": {}, "status": {"resourceRules": rules, "nonResourceRules": [], "incomplete": False}}

    def _namespace(self, verb: str, namespace: str) -> tuple[int, Any]:
        if verb != "get":
            raise No(405, "not in this double")
        if namespace not in self.cluster.namespaces:
            raise No(404, f'namespaces "{namespace}" not found')
        return 200, {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": namespace, "resourceVersion": "1"}}

    def _workload(self, request: Request, token: str, match: re.Match[str], manager: str) -> Any:
        verb, namespace, resource, name = _VERBS.get(request.method, "?"), match["namespace"], match["resource"], match["name"]
        if not self.cluster.allows(token, verb, resource, namespace, name, "apps"):
            raise No(403, f'{resource}.apps "{name}" is forbidden: User cannot {verb} resource')
        found = self.cluster.workloads.get((resource, namespace, name))
        if found is None or resource not in KINDS:
            raise No(404, f'{resource}.apps "{name}" not found')
        if verb == "get":
            return found.about
        if verb != "patch":
            raise No(405, "not in this double")
        new = merged(copy.deepcopy(found.about), _json(request, MERGE))
        _validate_annotations(new["spec"]["template"]["metadata"].get("annotations") or {})
        wrong = faults(found.about, new)
        if wrong:
            raise No(422, wrong)
        self.cluster.revision += 1
        return found.accept(new, manager, self.cluster.revision)

    def _secret(self, request: Request, verb: str, namespace: str, name: str | None, manager: str) -> tuple[int, Any]:
        if (verb == "create") is (name is not None):
            raise No(405, "the server does not allow this method on the requested resource")
        if verb == "create":
            return 201, self._create(namespace, _json(request, JSON), manager)
        found = self.cluster.secrets.get((namespace, str(name)))
        if verb == "patch":
            patch = _json(request, MERGE)
            return 200, self._patch(namespace, str(name), _there(found, name), patch, manager)
        return 200, _there(found, name)

    def _create(self, namespace: str, made: Any, manager: str) -> Any:
        if (made.get("apiVersion"), made.get("kind")) != ("v1", "Secret"):
            raise No(400, "the object provided is unrecognized")
        name = made.get("metadata", {}).get("name")
        if not name:
            raise No(422, "metadata.name: Required value: name or generateName is required")
        if "resourceVersion" in made["metadata"]:
            raise No(400, "resourceVersion should not be set on objects to be created")
        if made["metadata"].setdefault("namespace", namespace) != namespace:
            raise No(400, "the namespace of the provided object does not match the namespace sent on the request")
        if namespace not in self.cluster.namespaces:
            raise No(404, f'namespaces "{namespace}" not found')
        if (namespace, name) in self.cluster.secrets:
            raise No(409, f'secrets "{name}" already exists', "AlreadyExists")
        made.setdefault("type", "Opaque")
        _validate(made)
        made["metadata"]["managedFields"] = [{"manager": manager, "operation": "Update"}]
        return self.cluster.save(namespace, name, made)

    def _patch(self, namespace: str, name: str, found: dict[str, Any], patch: Any, manager: str) -> Any:
        new = merged(copy.deepcopy(found), patch)
        if new["metadata"].get("resourceVersion") not in (None, found["metadata"]["resourceVersion"]):
            raise No(409, f'Operation cannot be fulfilled on secrets "{name}": the object has been modified')
        new["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"]
        _validate(new)
        if (new["metadata"].get("name"), new["type"]) != (name, found["type"]):
            raise No(422, "field is immutable")
        if found.get("immutable") and (new.get("data"), new.get("immutable")) != (found.get("data"), True):
            raise No(422, "data: Forbidden: field is immutable when `immutable` is set")
        if new == found:
            return found
        new["metadata"]["managedFields"] = [{"manager": manager, "operation": "Update"}]
        return self.cluster.save(namespace, name, new)


def _there(found: dict[str, Any] | None, name: str | None) -> dict[str, Any]:
    if found is None:
        raise No(404, f'secrets "{name}" not found')
    return found


def _json(request: Request, content: str) -> Any:
    if request.headers.get("Content-Type") != content:
        raise No(415, "the body of the request was in an unknown format")
    if len(request.body) > REQUEST_MOST:
        raise No(413, "Request entity too large: limit is 3145728")
    try:
        found = json.loads(request.body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise No(400, "the body is no JSON object")
    return found


def merged(old: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    base = old if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            base.pop(key, None)
        else:
            base[key] = merged(base.get(key), value)
    return base


def _validate(secret: dict[str, Any]) -> None:
    if set(secret) - FIELDS or set(secret["metadata"]) - META:
        raise No(400, "strict decoding error: unknown field")
    size = 0
    for key, value in (secret.get("data") or {}).items():
        if not re.fullmatch(r"[-._a-zA-Z0-9]{1,253}", key) or key in (".", ".."):
            raise No(422, f"data[{key}]: Invalid value: a valid config key must consist of alphanumeric characters, '-', '_' or '.'")
        try:
            size += len(base64.b64decode(value, validate=True))
        except (TypeError, ValueError, binascii.Error):
            raise No(400, "illegal base64 data at input byte 0") from None
    if size > SECRET_MOST:
        raise No(422, "data: Too long: may not be more than 1048576 bytes")
    _validate_annotations(secret["metadata"].get("annotations") or {})


def _validate_annotations(marks: Mapping[str, Any]) -> None:
    if not all(isinstance(each, str) for each in marks.values()):
        raise No(400, "cannot unmarshal into Go struct field ObjectMeta.metadata.annotations of type string")
    if not all(_QUALIFIED.fullmatch(each) for each in marks) or sum(len(k) + len(v) for k, v in marks.items()) > ANNOTATIONS_MOST:
        raise No(422, "metadata.annotations: Invalid value")
