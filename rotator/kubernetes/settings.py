"""How to log in at a cluster: what the settings of every type have in common."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from rotator.settings import LocalPath, SecretRef, ServiceUrl, Settings
from rotator.web import Tls

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
IN_CLUSTER = "https://kubernetes.default.svc"
"""The name that each cluster gives its API (Kubernetes documentation, "Accessing the Kubernetes API from a Pod")."""


class ClusterSettings(Settings):
    """One namespace of one cluster, and how to log in."""

    namespace: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
    in_cluster: bool = False
    """Log in as the service account of the pod that rotator runs in."""
    service_account: LocalPath = SERVICE_ACCOUNT
    """The folder with the pod's `token` and `ca.crt`. Both are read at each use, for they are renewed."""
    api_server: ServiceUrl | None = None
    tls: Tls = Tls()
    token: SecretRef | None = None

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        if self.in_cluster and (self.token is not None or self.tls.ca is not None):
            raise ValueError("`in_cluster` brings its own `token` and `tls`; leave them out")
        if not self.in_cluster and (self.api_server is None or self.token is None):
            raise ValueError("give `in_cluster: true`, or `api_server` and `token`")
        if not self.in_cluster and "service_account" in self.model_fields_set:
            raise ValueError("`service_account` is read with `in_cluster: true` alone; leave it out")
        return self

    @property
    def address(self) -> str:
        """Where the API answers."""
        return self.api_server or IN_CLUSTER

    @property
    def ca(self) -> str | None:
        """The file of certificates to trust; None: the system's."""
        return f"{self.service_account}/ca.crt" if self.in_cluster else self.tls.ca
