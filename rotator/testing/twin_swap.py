"""The in-memory twin of a provider whose new key kills the old one: over a `TwinSystem`, as `rotator.testing.twins`."""

from __future__ import annotations

from dataclasses import replace

from rotator.model import Credential
from rotator.target import Can, SwapTarget
from rotator.testing.twins import TwinConnection, TwinIssue, TwinIssueSettings

__all__ = ["TwinSwap"]


class TwinSwap(TwinIssue, SwapTarget[TwinConnection, TwinIssueSettings]):
    """One key lives; minting replaces it."""

    @property
    def can(self) -> Can:
        return replace(super().can, max_live=1, disables=False)

    def issue(self, label: str) -> Credential:
        replaced = dict(self.system.keys)
        self.system.keys.clear()
        try:
            return super().issue(label)
        except BaseException:
            self.system.keys.update(replaced)
            raise
