"""The laws of a `SetTarget`: in place, alternating, overlapping. See `rotator.testing.target_contract` for how to use them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rotator.errors import Conflict
from rotator.model import Credential, Secret
from rotator.target import Denied, Foreign, PortError, Refused, Rejected, SetTarget, Unfit
from rotator.testing.target_contract import CANARY, AdminIs, Bench, TargetContract, leaks, raised


class SetBench(Bench):
    """A bench for a target whose secrets the core chooses."""

    def make_target(self, *, timeout: float = 10.0, fence: int = 1, admin: AdminIs = "good") -> SetTarget[Any, Any]:
        """A fresh instance."""
        raise NotImplementedError

    def make_credential(self, secret: str | None = None) -> Credential:
        """What the core would stage next, with this secret or a random one: alternating: of the user that is not current's."""
        raise NotImplementedError

    def meddle(self, _credential: Credential) -> None:
        """Somebody else gives the credential's user a secret of his own and unlocks it. Overlapping: beside those it has."""
        self.lacks("meddle")


class SetTargetContract(TargetContract):
    """Derive from this, and give it a fixture `bench` that yields a `SetBench`."""

    def in_place(self, target: SetTarget[Any, Any]) -> bool:
        """One user, one secret."""
        return len(target.principals) == 1 and target.can.max_live == 1

    def keep(self, bench: SetBench) -> list[Credential]:
        """What must go on working while the new one is set."""
        return [] if self.in_place(bench.make_target()) else [bench.current]

    def changes(self, target: Any, bench: Any) -> list[Callable[[], object]]:
        """Applying, and revoking where it is more than nothing."""
        new, keep = bench.make_credential(CANARY), self.keep(bench)
        apply = [lambda: target.apply(new, keep)]
        return apply if self.in_place(bench.make_target()) else [*apply, lambda: target.revoke(bench.current, [])]

    def rotated(self, bench: SetBench) -> Credential:
        """A new one is set; returns it. A fresh instance for each call: a call relies on nothing that an earlier one left."""
        new = bench.make_credential()
        bench.make_target().apply(new, self.keep(bench))
        return new

    # ---- apply

    def test_apply_makes_the_new_secret_work(self, bench: SetBench) -> None:
        new = self.rotated(bench)
        assert bench.logs_in(new)
        assert bench.make_target().verify(new)

    def test_apply_twice_equals_once(self, bench: SetBench) -> None:
        target, new = bench.make_target(), bench.make_credential()
        target.apply(new, self.keep(bench))
        target.apply(new, self.keep(bench))
        bench.make_target().apply(new, self.keep(bench))
        assert bench.logs_in(new)

    def test_what_is_to_be_kept_goes_on_working_beside_the_new_one(self, bench: SetBench) -> None:
        if self.in_place(bench.make_target()):
            pytest.skip("one secret in place")
        self.rotated(bench)
        assert bench.logs_in(bench.current)

    def test_in_place_the_old_secret_is_rejected_once_the_new_one_is_set_and_works_again_when_set_again(self, bench: SetBench) -> None:
        target = bench.make_target()
        if not self.in_place(target):
            pytest.skip("old and new live side by side")
        new = self.rotated(bench)
        assert isinstance(raised(lambda: target.verify(bench.current)), Rejected)
        assert target.confirm_dead(bench.current)
        target.apply(bench.current, [])
        assert (bench.logs_in(bench.current), bench.logs_in(new)) == (True, False)

    def test_a_user_that_is_none_of_the_targets_is_never_touched(self, bench: SetBench) -> None:
        before = bench.state()
        for call in ("apply", "revoke"):
            with pytest.raises(Refused):
                getattr(bench.make_target(), call)(Credential(name="none-of-ours", secret=Secret("x" * 20)), [])
        assert bench.state() == before

    def test_a_user_that_does_not_exist_is_refused_with_the_statement_that_makes_it(self, bench: SetBench) -> None:
        new = bench.make_credential()
        bench.remove(new)
        error = raised(lambda: bench.make_target().apply(new, self.keep(bench)))
        assert isinstance(error, Refused)
        assert error.fix

    # ---- revoke

    def test_a_revoked_secret_is_dead_and_the_kept_one_lives(self, bench: SetBench) -> None:
        if self.in_place(bench.make_target()):
            pytest.skip("one secret in place: it dies when the next is set")
        new = self.rotated(bench)
        with pytest.raises(Unfit):
            bench.make_target().confirm_dead(bench.current)
        for target in (bench.make_target(), bench.make_target()):
            target.revoke(bench.current, [new])
            target.revoke(bench.current, [new])
        assert bench.make_target().confirm_dead(bench.current)
        assert (bench.logs_in(bench.current), bench.logs_in(new)) == (False, True)

    def test_a_revoke_that_would_hurt_what_is_kept_does_nothing(self, bench: SetBench) -> None:
        old = Credential(name=bench.current.name, secret=Secret("an older one of that user"))
        bench.make_target().revoke(old, [bench.current])
        assert bench.logs_in(bench.current)

    def test_revoking_what_is_gone_is_success(self, bench: SetBench) -> None:
        bench.remove(bench.current)
        bench.make_target().revoke(bench.current, [])
        assert not bench.logs_in(bench.current)

    def test_a_credential_of_which_only_the_name_is_known_can_be_revoked(self, bench: SetBench) -> None:
        if len(bench.make_target().principals) == 1:
            pytest.skip("one user: its name alone says nothing")
        new = self.rotated(bench)
        bench.make_target().revoke(Credential(name=bench.current.name, secret=None), [new])
        assert not bench.logs_in(bench.current)

    # ---- disable, enable

    def test_a_disabled_secret_is_refused_and_works_again_when_enabled(self, bench: SetBench) -> None:
        target = bench.make_target()
        if not target.can.disables:
            pytest.skip("this target cannot disable")
        new = self.rotated(bench)
        for _ in range(2):
            target.disable(bench.current, [new])
        assert (bench.logs_in(bench.current), bench.logs_in(new)) == (False, True)
        for _ in range(2):
            bench.make_target().enable(bench.current)
        assert bench.logs_in(bench.current)

    # ---- others

    def test_a_secret_that_somebody_else_set_is_foreign_and_is_left_alone(self, bench: SetBench) -> None:
        target = bench.make_target()
        if self.in_place(target):
            pytest.skip("one user in place: the engine looks")
        overlapping = len(target.principals) == 1
        new = bench.make_credential() if overlapping else self.rotated(bench)
        bench.meddle(bench.current)
        before = bench.state()
        calls = [lambda: target.apply(new, [bench.current])] if overlapping else [lambda: target.revoke(bench.current, [new])]
        calls += [lambda: target.disable(bench.current, [new])] if target.can.disables else []
        assert [type(raised(call)) for call in calls] == [Foreign] * len(calls)
        assert bench.state() == before

    def test_a_runner_that_was_overtaken_is_refused_and_changes_nothing(self, bench: SetBench) -> None:
        if not bench.make_target().can.fences:
            pytest.skip("this target does not fence")
        new = bench.make_credential()
        bench.make_target(fence=7).apply(new, self.keep(bench))
        before, late = bench.state(), bench.make_target(fence=6)
        assert isinstance(raised(lambda: late.apply(bench.make_credential(), self.keep(bench))), Conflict)
        if not self.in_place(late):
            assert isinstance(raised(lambda: late.revoke(new, [])), Conflict)
        assert bench.state() == before
        bench.make_target(fence=8).apply(new, self.keep(bench))

    def test_no_new_secret_is_in_what_a_refused_change_carries(self, bench: SetBench) -> None:
        target, secret = bench.make_target(admin="weak"), bench.make_credential(CANARY)
        error = raised(lambda: target.apply(secret, self.keep(bench)))
        assert isinstance(error, Denied | PortError)
        assert leaks(error) == []
