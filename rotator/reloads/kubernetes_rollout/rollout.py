"""`KubernetesRollout`: the reload."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from rotator.kubernetes.client import ABSENT, CONFLICT, MANAGER, MERGE_PATCH, Client, object_of
from rotator.kubernetes.role import GET, PATCH, role, rule, way_out
from rotator.reload import Denied, Finding, Level, PortError, Reached, Refused, Reload, Runtime, Unreachable
from rotator.reloads.denied import missing_is_denied
from rotator.reloads.kubernetes_rollout.settings import KubernetesRolloutSettings
from rotator.reloads.kubernetes_rollout.workload import has_pods, held_back, is_complete, is_seen, is_stuck, marks_of
from rotator.seam import Seam
from rotator.web import JSON, Answer

MARK = "version.rotator/"
"""The annotation begins so; the spec's name follows."""
PAUSE = 1.0
"""Seconds between two looks at a rollout; less where the whole time is short."""
_MARKABLE = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")


class KubernetesRollout(Reload[KubernetesRolloutSettings]):
    """Replaces the pods of one workload, and watches it while there is time."""

    settings = KubernetesRolloutSettings
    reaches = Reached.adopted

    def __init__(self, settings: KubernetesRolloutSettings, runtime: Runtime, *, seam: Seam | None = None) -> None:
        super().__init__(settings, runtime)
        self._seam = seam or Seam()
        self._client = Client("kubernetes_rollout", settings, runtime.reveal, self.timeout, self._seam)
        self._resource = f"{settings.kind.lower()}s"
        self._role = role(settings.namespace, [rule("apps", self._resource, [GET, PATCH], [settings.name])])
        self._what = f"roll out {settings.title}"

    @property
    def timeout(self) -> float:
        """Its own, or that of every call."""
        return self.config.timeout.total_seconds() if self.config.timeout else self.runtime.timeout

    def tell(self, name: str, version: str) -> Reached:
        """Set the annotation where it is another, then look until the rollout is complete (`adopted`) or the time is over (`accepted`).

        Complete without any pod is `accepted` too: nobody was there to use it.
        Without the namespace or a right it is `Denied`. `Refused`: the workload is not there, keeps old pods, or made no progress in time.
        """
        mark = MARK + name
        if not _MARKABLE.fullmatch(name):
            raise Refused(f"{name!r} cannot stand in an annotation", "let the name of the rotation end with a letter or digit")
        with missing_is_denied():
            self._client.begin()
            found = self._look()
            held = held_back(self.config.kind, self.config.namespace, found)
            if held is not None:
                raise Refused(f"{self._what}: {held[0]}", held[1])
            if marks_of(found).get(mark) != version:
                found = self._mark(mark, version)
            return self._watch(found, mark, version)

    def check(self) -> list[Finding]:
        """Whether the workload is there and would replace its pods, and each right. Changes nothing."""
        try:
            with missing_is_denied():
                self._client.begin()
                return list(self._findings())
        except (Denied, Refused) as error:
            return [Finding(Level.FAIL, "reload", error.what, error.fix)]
        except PortError as error:
            return [Finding(Level.WARN, "privilege.unproven", error.what, error.fix)]

    def close(self) -> None:
        """Drop connections."""
        self._client.close()

    # ---- the rollout

    def _mark(self, mark: str, version: str) -> Mapping[str, Any]:
        """Patch the template; returns the workload with the generation that this made (RFC 7396: all else stays)."""
        body = {"spec": {"template": {"metadata": {"annotations": {mark: version}}}}}
        answer = self._call("PATCH", MANAGER, body, MERGE_PATCH)
        if answer.status == CONFLICT:
            raise Unreachable(f"{self._what}: another changed it at this moment", "the next run tells it again", str(CONFLICT))
        return self._object(answer)

    def _watch(self, found: Mapping[str, Any], mark: str, version: str) -> Reached:
        kind, title, pause = self.config.kind, self.config.title, min(PAUSE, self.timeout / 10)
        while True:
            if marks_of(found).get(mark) != version:
                fix = f"who took it away? Let an admission hook, or what deploys it, leave the template's annotation {mark} as it is"
                raise Refused(f"{self._what}: our annotation does not stay", fix)
            if is_seen(found) and is_stuck(found):
                fix = f"`kubectl -n {self.config.namespace} describe {title}`: why do its new pods not become available?"
                raise Refused(f"{self._what}: no progress within its progressDeadlineSeconds", fix, "ProgressDeadlineExceeded")
            if is_seen(found) and is_complete(kind, found):
                return Reached.adopted if has_pods(kind, found) else Reached.accepted
            if self._client.left < pause + self.timeout / 10:  # what the last look may take
                return Reached.accepted
            self._seam.sleep(pause)
            found = self._look()

    def _look(self) -> Mapping[str, Any]:
        return self._object(self._call("GET"))

    def _call(self, method: str, query: str = "", body: Any = None, content: str = JSON) -> Answer:
        place = f"/apis/apps/v1/namespaces/{self.config.namespace}/{self._resource}/{self.config.name}"
        return self._client.call(method, place + query, self._what, self._role, body, content)

    def _object(self, answer: Answer) -> Mapping[str, Any]:
        """The workload. `Refused` where it is not there, or the patch was; `Denied` where its namespace is not."""
        if answer.status == ABSENT:
            self._client.prove_namespace(self._what, self._role)
            fix = f"correct `kind` or `name`: `kubectl -n {self.config.namespace} get {self._resource}`"
            raise Refused(f"there is no {self.config.title} in the namespace {self.config.namespace}", fix, str(ABSENT))
        if not answer.good:
            fix = f"look at what admits changes of {self._resource} there, and at the rules of its template"
            raise Refused(f"{self._what}: the cluster does not take the patch", fix, str(answer.status))
        return object_of(answer, self.config.kind, self._what)

    # ---- looking

    def _findings(self) -> Iterator[Finding]:
        self._client.prove_namespace(self._what, self._role)
        found = self._look()
        held = held_back(self.config.kind, self.config.namespace, found)
        if held is not None:
            yield Finding(Level.FAIL, "reload", f"{self.config.title}: {held[0]}", held[1])
        if not has_pods(self.config.kind, found):
            text = f"{self.config.title} has no pods: nobody adopts a version, and no more than `accepted` is shown"
            yield Finding(Level.WARN, "reload", text, "scale it up, or leave this reload out")
        rights = self._client.rights("ask for our own rights")
        if rights is None:
            yield Finding(Level.WARN, "privilege.unproven", "the cluster does not tell all that our login may do; the first use will tell")
            return
        missing = [verb for verb in (GET, PATCH) if not rights.allow("apps", self._resource, verb, self.config.name)]
        if missing:
            text = f"no {', '.join(missing)} of {self.config.title} in the namespace {self.config.namespace}"
            yield Finding(Level.FAIL, "privilege.missing", text, way_out(self._role))
