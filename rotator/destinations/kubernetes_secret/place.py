"""`KubernetesSecret`: the destination."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any

from rotator.destination import Denied, Destination, Finding, Foreign, Level, Place, PortError, Refused, Runtime, Secret, Unreachable
from rotator.destinations.kubernetes_secret.api import Api
from rotator.destinations.kubernetes_secret.settings import KubernetesSecretSettings
from rotator.destinations.names import refuse_misnamed
from rotator.kubernetes.client import Client, annotations_of
from rotator.kubernetes.role import CREATE, way_out
from rotator.model import same_values
from rotator.seam import Seam
from rotator.values import LATER, refuse_unfit

GENERATION, VERSION, FIELDS = "rotator/generation", "rotator/version", "rotator/fields"
"""Annotations: what was written last."""
IMMUTABLE = "the Secret is immutable"
TRIES = 3
"""Others may change the Secret between our look and our patch so many times less one."""


class KubernetesSecret(Destination[KubernetesSecretSettings]):
    """Named keys of the Secrets of one namespace; the place's path is the Secret's name."""

    settings = KubernetesSecretSettings
    by_path = True
    staleness = 120.0  # a volume follows after the kubelet's period and the delay of its cache, a minute each ("Secrets", Kubernetes docs)

    def __init__(self, settings: KubernetesSecretSettings, runtime: Runtime, *, seam: Seam | None = None) -> None:
        super().__init__(settings, runtime)
        self._client = Client("kubernetes_secret", settings, runtime.reveal, runtime.timeout, seam or Seam())
        self._api = Api(settings, self._client)
        self._asked: set[str] = set()
        """The Secrets that this instance was asked for: `check` looks at the rights there."""

    def publish(self, place: Place, values: Mapping[str, Secret], version: str, generation: int) -> None:
        """Set all keys in one patch, over the Secret as it was just read. Does nothing where it is already so."""
        refuse_unfit(values)
        name = self._begin(place)
        for _ in range(TRIES):
            if self._once(name, values, version, generation):
                return
        raise Unreachable(f"publish at {name}: others changed the Secret at each of {TRIES} tries", "who writes there so often?")

    def published(self, place: Place) -> Mapping[str, Secret]:
        """Read afresh. Without `keys`: the fields that we wrote; where we never wrote, all that stands there."""
        name = self._begin(place)
        found = self._api.secret(name, f"read the Secret {name}")
        if found is None:
            self._refuse_missing(name)
            return {}
        self._generation(name, found)
        return self._shown(name, found, tuple(place.keys) or _fields(found))

    def check(self) -> list[Finding]:
        """Whether the namespace is there, each right, and whether the Secret can be changed: those that this instance was asked for."""
        self._client.begin()
        try:
            self._client.prove_namespace(f"look at the namespace {self.config.namespace}", self._api.role(self._asked))
            found = list(self._rights())
            return found if any(each.level is Level.FAIL for each in found) else [*found, *self._fixed()]
        except Denied as error:
            return [Finding(Level.FAIL, "place.missing", error.what, error.fix)]
        except PortError as error:
            return [Finding(Level.WARN, "privilege.unproven", error.what, error.fix)]

    def close(self) -> None:
        """Drop connections."""
        self._client.close()

    # ---- writing

    def _once(self, name: str, values: Mapping[str, Secret], version: str, generation: int) -> bool:
        """Whether it stands there now. Read, then change what was read, or nothing."""
        what = f"publish at {name}"
        found = self._api.secret(name, what)
        body = _body(values, version, generation)
        if found is None:
            self._refuse_missing(name)
            body["metadata"]["name"] = name
            return self._api.create(name, {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", **body}, what)
        self._refuse_late(name, found, generation)
        marks = annotations_of(found["metadata"])
        written = all(marks.get(key) == value for key, value in body["metadata"]["annotations"].items())
        if written and same_values(self._shown(name, found, tuple(values)), values):
            return True
        if found.get("immutable") is True:
            raise Refused(f"{what}: {IMMUTABLE}", self._anew(name))
        body["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"]
        return self._api.patch(name, body, what)

    def _refuse_late(self, name: str, found: Mapping[str, Any], generation: int) -> None:
        held = self._generation(name, found)
        if held > generation:
            raise Refused(f"{name} shows generation {held}, later than {generation}", LATER)

    def _generation(self, name: str, found: Mapping[str, Any]) -> int:
        """Which it shows; -1 where we never wrote. `Foreign` where that is no number: what comes next could not be told."""
        held = annotations_of(found["metadata"]).get(GENERATION)
        if held is None:
            return -1
        if not re.fullmatch(r"[0-9]{1,18}", held):
            fix = f"`kubectl -n {self.config.namespace} annotate secret {name} {GENERATION}-`; the next run publishes again"
            raise Foreign(f"the annotation {GENERATION} of the Secret {name} is none of ours", fix)
        return int(held)

    def _anew(self, name: str) -> str:
        kubectl = f"kubectl -n {self.config.namespace}"
        return f"make it anew without `immutable: true` ({kubectl} get secret {name} -o yaml, edit, {kubectl} replace --force -f -)"

    def _refuse_missing(self, name: str) -> None:
        if not self.config.create:
            fix = f"`kubectl -n {self.config.namespace} create secret generic {name}`, correct `path`, or set `create: true`"
            raise Refused(f"there is no Secret {name} in the namespace {self.config.namespace}", fix)

    # ---- reading

    def _shown(self, name: str, found: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Secret]:
        """These keys, as a consumer gets them. One that is empty is a blank to be filled in, and not set."""
        data = found.get("data")
        data = data if isinstance(data, Mapping) else {}
        return {key: self._text(name, key, data[key]) for key in keys if data.get(key)}

    def _text(self, name: str, key: str, value: Any) -> Secret:
        try:
            return Secret(base64.b64decode(value, validate=True).decode())
        except (TypeError, ValueError, binascii.Error):
            pass
        raise Foreign(f"{key!r} of the Secret {name} is no text", "remove it there, or name another key")

    # ---- looking

    def _begin(self, place: Place) -> str:
        """The Secret's name."""
        refuse_misnamed(self.config, place)
        self._asked.add(place.path)
        self._client.begin()
        return place.path

    def _rights(self) -> Iterator[Finding]:
        rights = self._client.rights("ask for our own rights")
        if rights is None:
            yield Finding(Level.WARN, "privilege.unproven", "the cluster does not tell all that our login may do; the first use will tell")
            return
        names: list[str | None] = [*sorted(self._asked)]
        for name in names or [None]:
            missing = [verb for verb in self._api.verbs() if not rights.allow("", "secrets", verb, None if verb == CREATE else name)]
            if missing:
                where = f"the Secret {name}" if name else f"any Secret in the namespace {self.config.namespace}"
                fix = way_out(self._api.role([name] if name else []))
                yield Finding(Level.FAIL, "privilege.missing", f"no {', '.join(missing)} of {where}", fix)

    def _fixed(self) -> Iterator[Finding]:
        """Of the Secrets that this instance was asked for: those that nobody can change."""
        for name in sorted(self._asked):
            found = self._api.secret(name, f"read the Secret {name}")
            if found is not None and found.get("immutable") is True:
                yield Finding(Level.FAIL, "place.missing", f"{name}: {IMMUTABLE}", self._anew(name))


def _fields(found: Mapping[str, Any]) -> tuple[str, ...]:
    """What we wrote last; where we never wrote, all that stands there."""
    told = annotations_of(found["metadata"]).get(FIELDS)
    return tuple(found.get("data") or {}) if told is None else tuple(told.split(","))


def _body(values: Mapping[str, Secret], version: str, generation: int) -> dict[str, Any]:
    """What is written, for a patch or a new Secret."""
    marks = {GENERATION: str(generation), VERSION: version, FIELDS: ",".join(sorted(values))}
    data = {key: base64.b64encode(each.reveal().encode()).decode() for key, each in values.items()}
    return {"metadata": {"annotations": marks}, "data": data}
