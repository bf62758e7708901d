"""The least privilege: one line of a policy for each thing that we do. What is printed is what the tests prove."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rotator.stores.vault.settings import VaultSettings


@dataclass(frozen=True)
class Line:
    """One path of a policy and what may be done there."""

    path: str
    capabilities: tuple[str, ...]

    def __str__(self) -> str:
        words = ", ".join(f'"{each}"' for each in self.capabilities)
        return f'path "{self.path}" {{ capabilities = [{words}] }}'

    def lacks(self, held: Iterable[str]) -> list[str]:
        """What of it somebody who holds these capabilities cannot do."""
        return [] if "root" in set(held) else [each for each in self.capabilities if each not in set(held)]


class Policy:
    """All lines for one configured store."""

    def __init__(self, settings: VaultSettings) -> None:
        self._mount, self._own = settings.mount, settings.prefix

    @property
    def config(self) -> Line:
        """How the mount keeps versions: read once per run."""
        return Line(f"{self._mount}/config", ("read",))

    @property
    def own(self) -> Line:
        """Records, and what we know of places."""
        return Line(f"{self._mount}/data/{self._own}/*", ("create", "read", "update"))

    @property
    def metadata(self) -> Line:
        """Listing of records, and that they keep one version alone."""
        return Line(f"{self._mount}/metadata/{self._own}/*", ("list", "read", "update"))

    @property
    def destroy(self) -> Line:
        """Only where the mount itself keeps more than one version."""
        return Line(f"{self._mount}/destroy/{self._own}/*", ("update",))

    def place(self, path: str) -> Line:
        """What consumers of a path see. `update` is used where the document was deleted."""
        return Line(f"{self._mount}/data/{path}", ("create", "patch", "read", "update"))

    def consumer(self, path: str) -> Line:
        """All that a consumer needs."""
        return Line(f"{self._mount}/data/{path}", ("read",))

    def lines(self, places: Iterable[str], *, keeps_versions: bool) -> list[Line]:
        """The whole policy, for these places."""
        own = [self.config, self.own, self.metadata, *([self.destroy] if keeps_versions else [])]
        return own + [self.place(each) for each in places]
