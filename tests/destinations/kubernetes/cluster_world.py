"""A cluster, and destinations on it."""

import itertools
from dataclasses import dataclass, field

from rotator.destination import Place
from rotator.destinations.kubernetes_secret import KubernetesSecret, KubernetesSecretSettings
from rotator.testing.destination_contract import runtime
from rotator.testing.servers.kubernetes import KubernetesServer

NAME, KEYS = "app-db", {"DB_USER": "username", "DB_PASSWORD": "password"}
PLACE = Place("cluster", NAME, KEYS)
_numbers = itertools.count(1)


@dataclass
class World:
    """One test's own namespace, so that tests share a server."""

    server: KubernetesServer
    namespace: str = field(default_factory=lambda: f"team-{next(_numbers)}")
    token: str = "the-admin-token"

    def __post_init__(self):
        self.server.before = lambda _: None
        self.server.cluster.namespaces.add(self.namespace)
        self.server.cluster.roles[self.token] = None

    def settings(self, **more):
        given = {"api_server": self.server.url, "token": {"env": "TOKEN"}, "namespace": self.namespace, "create": True}
        return KubernetesSecretSettings.model_validate({**given, **more})

    def destination(self, token="", **more):
        return KubernetesSecret(self.settings(**more), runtime(TOKEN=token or self.token))

    def put(self, data, **more):
        return self.server.cluster.put(self.namespace, NAME, data, **more)

    @property
    def secret(self):
        return self.server.cluster.secrets[self.namespace, NAME]

    @property
    def text(self):
        return self.server.cluster.text(self.namespace, NAME)

    def role(self, role, token="the-runner"):
        self.server.cluster.roles[token] = role
        return token
