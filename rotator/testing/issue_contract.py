"""The laws of an `IssueTarget`. See `rotator.testing.target_contract` for how to use them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rotator.model import Credential
from rotator.target import Denied, IssueTarget, Refused, Rejected, Unfit
from rotator.testing.target_contract import AdminIs, Bench, TargetContract, leaks, raised


class IssueBench(Bench):
    """A bench for a target that mints: `current` was minted for its principal, and there is a free slot."""

    def make_target(self, *, timeout: float = 10.0, fence: int = 1, admin: AdminIs = "good") -> IssueTarget[Any, Any]:
        """A fresh instance."""
        raise NotImplementedError


class IssueTargetContract(TargetContract):
    """Derive from this, and give it a fixture `bench` that yields an `IssueBench`."""

    def reads(self, target: Any, bench: Any) -> list[Callable[[], object]]:
        """The list is a read too."""
        return [*super().reads(target, bench), target.live]

    def changes(self, target: Any, bench: Any) -> list[Callable[[], object]]:
        """Minting and revoking."""
        return [lambda: target.issue("label-1"), *super().changes(target, bench)]

    def ids(self, bench: IssueBench) -> list[str]:
        """What a fresh instance lists."""
        return sorted(each.id for each in bench.make_target().live())

    # ---- issue, live

    def test_what_is_issued_works_beside_current(self, bench: IssueBench) -> None:
        new = bench.make_target().issue("label-1")
        assert new.secret is not None
        assert new.name != bench.current.name
        assert bench.make_target().verify(new)
        assert (bench.logs_in(new), bench.logs_in(bench.current)) == (True, True)

    def test_each_issue_mints_one_and_it_is_listed(self, bench: IssueBench) -> None:
        before = self.ids(bench)
        new = bench.make_target().issue("label-1")
        assert self.ids(bench) == sorted([*before, new.name])

    def test_a_label_is_shown_where_the_target_has_labels(self, bench: IssueBench) -> None:
        if not bench.make_target().can.labels:
            pytest.skip("this target has no labels")
        new = bench.make_target().issue("label-1")
        assert {each.id: each.label for each in bench.make_target().live()}[new.name] == "label-1"

    def test_the_list_holds_current_and_its_times_have_a_zone(self, bench: IssueBench) -> None:
        found = {each.id: each for each in bench.make_target().live()}
        assert bench.current.name in found
        times = [told for each in found.values() for told in (each.created, each.last_used)]
        assert all(told is None or told.tzinfo is not None for told in times)

    def test_listing_changes_nothing(self, bench: IssueBench) -> None:
        before = bench.state()
        bench.make_target().live()
        assert bench.state() == before

    def test_no_free_slot_is_refused_and_nothing_is_minted(self, bench: IssueBench) -> None:
        most = bench.make_target().can.max_live
        if most == 0:
            pytest.skip("this target has no limit")
        while len(self.ids(bench)) < most:
            bench.make_target().issue("filler")
        before = self.ids(bench)
        assert isinstance(raised(lambda: bench.make_target().issue("one too many")), Refused)
        assert self.ids(bench) == before

    # ---- revoke

    def test_a_revoked_one_is_dead_and_current_lives(self, bench: IssueBench) -> None:
        new = bench.make_target().issue("label-1")
        assert isinstance(raised(lambda: bench.make_target().confirm_dead(new)), Unfit)
        for target in (bench.make_target(), bench.make_target()):
            target.revoke(new, [bench.current])
            target.revoke(new, [bench.current])
        assert new.name not in self.ids(bench)
        assert bench.make_target().confirm_dead(new)
        assert (bench.logs_in(new), bench.logs_in(bench.current)) == (False, True)

    def test_an_orphan_is_revoked_by_its_id_alone(self, bench: IssueBench) -> None:
        new = bench.make_target().issue("label-1")
        orphan = Credential(name=new.name, secret=None)
        for _ in range(2):
            bench.make_target().revoke(orphan, [bench.current])
        assert bench.make_target().confirm_dead(orphan)
        assert (bench.logs_in(new), bench.logs_in(bench.current)) == (False, True)

    def test_revoking_what_is_gone_is_success(self, bench: IssueBench) -> None:
        new = bench.make_target().issue("label-1")
        bench.remove(new)
        bench.make_target().revoke(new, [bench.current])
        assert new.name not in self.ids(bench)

    def test_a_revoked_one_is_rejected_at_login(self, bench: IssueBench) -> None:
        target = bench.make_target()
        new = target.issue("label-1")
        target.revoke(new, [bench.current])
        assert isinstance(raised(lambda: target.verify(new)), Rejected)

    # ---- disable, enable

    def test_a_disabled_one_is_refused_and_works_again_when_enabled(self, bench: IssueBench) -> None:
        target = bench.make_target()
        if not target.can.disables:
            pytest.skip("this target cannot disable")
        new = target.issue("label-1")
        for _ in range(2):
            target.disable(new, [bench.current])
        assert (bench.logs_in(new), bench.logs_in(bench.current)) == (False, True)
        for _ in range(2):
            bench.make_target().enable(new)
        assert bench.logs_in(new)

    # ---- secrets

    def test_no_secret_of_a_dead_one_is_in_what_its_refusal_carries(self, bench: IssueBench) -> None:
        target = bench.make_target()
        new = target.issue("label-1")
        assert new.secret is not None
        target.revoke(new, [bench.current])
        error = raised(lambda: target.verify(new))
        assert isinstance(error, Rejected | Denied)
        assert leaks(error, new.secret.reveal()) == []
