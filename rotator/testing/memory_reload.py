"""The in-memory twin of a reload."""

from __future__ import annotations

from rotator.reload import Denied, Finding, Level, Reached, Reload, Runtime
from rotator.testing.memory import MemorySettings, Shelf


class MemoryReload(Reload[MemorySettings]):
    """A reload that answers with the highest level, unless `level` says less; another mount is a mistake of configuration."""

    settings = MemorySettings
    reaches = Reached.adopted

    def __init__(self, settings: MemorySettings, runtime: Runtime) -> None:
        super().__init__(settings, runtime)
        self.told: list[str] = []
        self.level = self.reaches

    def tell(self, name: str, version: str) -> Reached:
        for each in self.check():
            raise Denied(each.text, each.fix)
        self.told.append(version)
        return self.level

    def check(self) -> list[Finding]:
        if self.config.mount == Shelf.mount:
            return []
        return [Finding(Level.FAIL, "reload", f"there is no mount {self.config.mount}", f"name the mount {Shelf.mount}")]
