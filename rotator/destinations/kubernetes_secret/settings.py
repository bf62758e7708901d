"""`type: kubernetes_secret` in rotator.yaml."""

from __future__ import annotations

import re

from rotator.destination import Place
from rotator.destinations.names import Misnamed
from rotator.kubernetes.settings import ClusterSettings

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_KEY = re.compile(r"[A-Za-z0-9._-]{1,253}")
_LONGEST = 253


class KubernetesSecretSettings(ClusterSettings):
    """One namespace of one cluster, and how to log in."""

    create: bool = False
    """Whether a Secret that is not there is made. If not it is refused: a name may be mistyped."""

    def misnamed(self, place: Place) -> Misnamed:
        """What can be no name of a Secret, or no key in it (Kubernetes documentation, "Secrets", "Object Names and IDs")."""
        if not _NAME.fullmatch(place.path) or len(place.path) > _LONGEST:
            fix = "write `path:` beside the destination: small letters, digits, - and ., beginning and ending with a letter or digit"
            return f"{place.path!r} cannot be the name of a Secret", fix
        for key in place.keys:
            if not _KEY.fullmatch(key) or key in (".", ".."):
                return f"{key!r} cannot be a key of a Secret", "use at most 253 letters, digits and . _ -"
        return None
