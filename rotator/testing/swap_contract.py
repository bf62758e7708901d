"""The laws of a `SwapTarget`: minting kills the old one. See `rotator.testing.target_contract` for how to use them.

The engine refuses such a target at load until one is needed (docs/adr/0026). What these laws prove is what it will stand on: after a reply
that was lost, the admin's own connection finds what lives, and can mint once more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rotator.model import Credential
from rotator.target import Rejected, SwapTarget, Unfit
from rotator.testing.target_contract import AdminIs, Bench, TargetContract, leaks, raised


class SwapBench(Bench):
    """A bench for a target that has one credential of its principal, `current`, and replaces it."""

    def make_target(self, *, timeout: float = 10.0, fence: int = 1, admin: AdminIs = "good") -> SwapTarget[Any, Any]:
        """A fresh instance. Its admin is not the credential that is replaced."""
        raise NotImplementedError


class SwapTargetContract(TargetContract):
    """Derive from this, and give it a fixture `bench` that yields a `SwapBench`."""

    def reads(self, target: Any, bench: Any) -> list[Callable[[], object]]:
        """The list is a read too."""
        return [*super().reads(target, bench), target.live]

    def changes(self, target: Any, bench: Any) -> list[Callable[[], object]]:
        """Minting and revoking."""
        return [lambda: target.issue("label-1"), *super().changes(target, bench)]

    def ids(self, bench: SwapBench) -> list[str]:
        """What a fresh instance lists."""
        return sorted(each.id for each in bench.make_target().live())

    def minted(self, bench: SwapBench, label: str = "label-1") -> Credential:
        """A new one, in the place of what was."""
        new = bench.make_target().issue(label)
        assert new.secret is not None
        return new

    # ---- issue, live

    def test_it_declares_that_one_lives(self, bench: SwapBench) -> None:
        assert bench.make_target().can.max_live == 1

    def test_what_is_issued_works_and_the_old_one_is_rejected_at_once(self, bench: SwapBench) -> None:
        target = bench.make_target()
        new = target.issue("label-1")
        assert bench.make_target().verify(new)
        assert isinstance(raised(lambda: target.verify(bench.current)), Rejected)
        assert (bench.logs_in(new), bench.logs_in(bench.current)) == (True, False)

    def test_the_old_one_is_confirmed_dead_by_what_was_issued(self, bench: SwapBench) -> None:
        new = self.minted(bench)
        assert bench.make_target().confirm_dead(bench.current)
        assert isinstance(raised(lambda: bench.make_target().confirm_dead(new)), Unfit)

    def test_exactly_the_new_one_is_listed(self, bench: SwapBench) -> None:
        assert self.ids(bench) == [bench.current.name]
        new = self.minted(bench)
        assert self.ids(bench) == [new.name]

    def test_after_a_lost_reply_the_list_tells_the_new_one_from_the_old_one(self, bench: SwapBench) -> None:
        """By its id, its label or when it was made: else nobody could say whether the swap happened."""
        told = [(each.id, each.label, each.created) for each in bench.make_target().live()]
        self.minted(bench)  # nobody keeps what it returned
        now = [(each.id, each.label, each.created) for each in bench.make_target().live()]
        assert len(now) == 1
        assert now != told

    def test_after_a_lost_reply_one_more_issue_is_the_way_out(self, bench: SwapBench) -> None:
        lost, new = self.minted(bench, "label-1"), self.minted(bench, "label-2")
        assert (bench.logs_in(lost), bench.logs_in(new)) == (False, True)
        assert self.ids(bench) == [new.name]

    def test_a_label_is_shown_where_the_target_has_labels(self, bench: SwapBench) -> None:
        if not bench.make_target().can.labels:
            pytest.skip("this target has no labels")
        self.minted(bench)
        assert [each.label for each in bench.make_target().live()] == ["label-1"]

    def test_listing_changes_nothing_and_its_times_have_a_zone(self, bench: SwapBench) -> None:
        before = bench.state()
        found = bench.make_target().live()
        assert bench.state() == before
        times = [told for each in found for told in (each.created, each.last_used)]
        assert all(told is None or told.tzinfo is not None for told in times)

    # ---- revoke

    def test_a_revoked_one_is_dead_and_twice_equals_once(self, bench: SwapBench) -> None:
        new = self.minted(bench)
        for _ in range(2):
            bench.make_target().revoke(new, [])
        assert not bench.logs_in(new)
        assert bench.make_target().confirm_dead(new)

    def test_one_is_revoked_by_its_id_alone(self, bench: SwapBench) -> None:
        new = self.minted(bench)
        bench.make_target().revoke(Credential(name=new.name, secret=None), [])
        assert not bench.logs_in(new)

    def test_revoking_the_old_one_leaves_the_new_one_alone(self, bench: SwapBench) -> None:
        new = self.minted(bench)
        bench.make_target().revoke(bench.current, [new])
        assert bench.logs_in(new)

    def test_where_none_lives_one_can_be_issued(self, bench: SwapBench) -> None:
        bench.make_target().revoke(bench.current, [])
        assert bench.logs_in(self.minted(bench))

    # ---- secrets

    def test_no_secret_of_a_dead_one_is_in_what_its_refusal_carries(self, bench: SwapBench) -> None:
        target, dead = bench.make_target(), self.minted(bench)
        assert dead.secret is not None
        target.revoke(dead, [])
        error = raised(lambda: target.verify(dead))
        assert isinstance(error, Rejected)
        assert leaks(error, dead.secret.reveal()) == []
